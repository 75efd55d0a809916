import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import { Database, PageQuery, UuidParam } from '../platform/index.js';
import { ApiKeys } from './api-keys.js';
import { ApiKeyPage, CreateApiKey, CreatedApiKey, CreatedTenant, CreateTenant } from './auth.dto.js';
import { Allow, type Caller, CurrentCaller } from './caller.js';
import { Tenants } from './tenants.js';

@ApiTags('API keys')
@ApiBearerAuth()
@Controller('v1/api-keys')
export class ApiKeysController {
  constructor(private readonly db: Database, private readonly keys: ApiKeys) {}

  /** Makes an API key. The key is shown in this answer only. */
  @Post() @Allow('api-keys:write')
  create(@CurrentCaller() caller: Caller, @Body() body: CreateApiKey): Promise<CreatedApiKey> {
    return this.db.transaction((tx) => this.keys.create(tx, caller, body));
  }

  /** Lists the keys that work, newest first. */
  @Get() @Allow('api-keys:read')
  list(@CurrentCaller() caller: Caller, @Query() { limit, cursor }: PageQuery): Promise<ApiKeyPage> {
    return this.keys.list(this.db.client, caller, limit, cursor);
  }

  /** Revokes a key; every process refuses it within a second. */
  @Delete(':key_id') @HttpCode(204) @Allow('api-keys:write')
  async revoke(@CurrentCaller() caller: Caller, @Param('key_id', new UuidParam('API key')) keyId: string): Promise<void> {
    await this.db.transaction((tx) => this.keys.revoke(tx, caller, keyId));
    this.keys.forget(keyId);
  }
}

@ApiTags('Tenants')
@ApiBearerAuth()
@Controller('v1/tenants')
export class TenantsController {
  constructor(private readonly tenants: Tenants) {}

  /** Makes a tenant with its first key. Needs the scope `tenants:write`, which the first admin key carries. */
  @Post() @Allow('tenants:write')
  create(@CurrentCaller() caller: Caller, @Body() { name }: CreateTenant): Promise<CreatedTenant> {
    return this.tenants.create(caller, name);
  }
}
