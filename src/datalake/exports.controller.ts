import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query, Req } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { Allow, type Caller, CurrentCaller } from '../auth/index.js';
import { Database, derivedUuid, UuidParam } from '../platform/index.js';
import { CreateExport, ExportPage, ExportView, ListExports } from './exports/exports.dto.js';
import { Exports } from './exports/exports.js';

const ExportId = () => Param('export_id', new UuidParam('export'));

/** The id of the export that a request under an `Idempotency-Key` makes: even a repeat after a crash between commit and answer finds it. */
function exportIdOf({ headers, caller, url, bodyText }: FastifyRequest): string | undefined {
  const key = headers['idempotency-key'];
  return key === undefined ? undefined : derivedUuid(caller!.tenantId, key, url, bodyText);
}

@ApiTags('Data lake')
@ApiBearerAuth()
@Controller('v1/datalake/exports')
export class ExportsController {
  constructor(private readonly db: Database, private readonly exports: Exports) {}

  /** Writes a dataset's rows of some days as files. */
  @Post() @HttpCode(202) @Allow('datalake:write')
  async create(@CurrentCaller() caller: Caller, @Body() body: CreateExport, @Req() request: FastifyRequest): Promise<ExportView> {
    await this.exports.requireReadable(caller, body);
    const view = await this.db.transaction((tx) => this.exports.create(tx, caller, body, exportIdOf(request)));
    this.exports.wake();
    return view;
  }

  /** Lists exports, newest first. */
  @Get() @Allow('datalake:read')
  list(@CurrentCaller() caller: Caller, @Query() { limit, cursor, ...filter }: ListExports): Promise<ExportPage> {
    return this.exports.list(this.db.client, caller, filter, limit, cursor);
  }

  /** One export, how far it is, and its files once it has succeeded. */
  @Get(':export_id') @Allow('datalake:read')
  get(@CurrentCaller() caller: Caller, @ExportId() id: string): Promise<ExportView> {
    return this.exports.get(this.db.client, caller, id);
  }

  /** Stops an export that shows nothing yet. Nothing of it stays. */
  @Post(':export_id/cancel') @HttpCode(200) @Allow('datalake:write')
  cancel(@CurrentCaller() caller: Caller, @ExportId() id: string): Promise<ExportView> {
    return this.exports.cancel(caller, id);
  }

  /** Begins an export again that has failed or was cancelled. */
  @Post(':export_id/retry') @HttpCode(202) @Allow('datalake:write')
  retry(@CurrentCaller() caller: Caller, @ExportId() id: string): Promise<ExportView> {
    return this.exports.retry(caller, id);
  }

  /** Deletes an export that has ended, with the files that are still its own. */
  @Delete(':export_id') @HttpCode(204) @Allow('datalake:write')
  delete(@CurrentCaller() caller: Caller, @ExportId() id: string): Promise<void> {
    return this.exports.delete(caller, id);
  }
}
