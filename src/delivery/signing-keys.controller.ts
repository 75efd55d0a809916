import { Body, Controller, Get, HttpCode, Post, Query, Res, SetMetadata } from '@nestjs/common';
import { ApiBearerAuth, ApiBody, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Allow, Audit, type Caller, CurrentCaller } from '../auth/index.js';
import { Database, PUBLIC } from '../platform/index.js';
import { PublicKeySet, PublicKeysQuery, RotateSigningKey, SigningKeyPage, SigningKeyView } from './signing/signing-keys.dto.js';
import { SigningKeys } from './signing/signing-keys.js';

@ApiTags('Signing keys')
@ApiBearerAuth()
@Controller('v1/signing-keys')
export class SigningKeysController {
  constructor(private readonly db: Database, private readonly keys: SigningKeys, private readonly audit: Audit) {}

  /** Lists the keys that are published, newest first. */
  @Get() @Allow('webhooks:read')
  list(@CurrentCaller() caller: Caller): Promise<SigningKeyPage> {
    return this.keys.list(this.db.client, caller);
  }

  /** Makes a new key, or the first. It is published at once and signs after `activate_after_seconds`; previous ones stay published for `overlap_hours` after that. */
  @Post('rotate') @HttpCode(200) @ApiBody({ type: RotateSigningKey, required: false }) @Allow('webhooks:write')
  rotate(@CurrentCaller() caller: Caller, @Body() body: RotateSigningKey): Promise<SigningKeyView> {
    return this.db.transaction(async (tx) => {
      const made = await this.keys.rotate(tx, caller, body);
      const { activate_at, status } = made;
      await this.audit.record(tx, caller, { action: 'signing_key.rotated', subject_type: 'signing_key', subject_id: made.signing_key_id, after: { status, activate_at, overlap_hours: body.overlap_hours } });
      return made;
    });
  }
}

@ApiTags('Signing keys')
@SetMetadata(PUBLIC, true)
@Controller('.well-known')
export class PublicKeysController {
  constructor(private readonly db: Database, private readonly keys: SigningKeys) {}

  /** The public keys of one tenant, for its receivers. Needs no key. */
  @Get('webhooks-jwks.json')
  async list(@Query() { tenant_id, kid }: PublicKeysQuery, @Res({ passthrough: true }) reply: FastifyReply): Promise<PublicKeySet> {
    const keys = await this.keys.publicKeys(this.db.client, tenant_id, kid);
    // Here and not as decorators, which would let caches keep failures too.
    void reply.header('cache-control', 'public, max-age=300').type('application/jwk-set+json');
    return { keys };
  }
}
