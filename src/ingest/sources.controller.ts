import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Put, Query, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiBody, ApiOkResponse, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Allow, type Caller, CurrentCaller } from '../auth/index.js';
import { attachment, Database, PageQuery, type Tx, UuidParam } from '../platform/index.js';
import { ConflictPage } from './dedup/conflicts.dto.js';
import { Conflicts } from './dedup/conflicts.js';
import { QuarantinePage, Reverified, Reverify } from './quarantine/quarantine.dto.js';
import { Reverification } from './quarantine/reverification.js';
import { AddSecret, ChangeSource, CreateSource, ReplaceSource, RotateToken, SourcePage, SourceView } from './sources/sources.dto.js';
import { Sources } from './sources/sources.js';

const SourceId = () => Param('source_id', new UuidParam('source'));

@ApiTags('Sources')
@ApiBearerAuth()
@Controller('v1/sources')
export class SourcesController {
  constructor(private readonly db: Database, private readonly sources: Sources, private readonly conflicts: Conflicts, private readonly quarantine: Reverification) {}

  /** Makes a URL for a provider to post to. */
  @Post() @Allow('sources:write')
  create(@CurrentCaller() caller: Caller, @Body() body: CreateSource): Promise<SourceView> {
    return this.db.transaction((tx) => this.sources.create(tx, caller, body));
  }

  /** Lists sources, newest first. */
  @Get() @Allow('sources:read')
  list(@CurrentCaller() caller: Caller, @Query() { limit, cursor }: PageQuery): Promise<SourcePage> {
    return this.sources.list(this.db.client, caller, limit, cursor);
  }

  @Get(':source_id') @Allow('sources:read')
  get(@CurrentCaller() caller: Caller, @SourceId() id: string): Promise<SourceView> {
    return this.sources.get(this.db.client, caller, id);
  }

  /** Replaces a source: fields left out get their defaults, secrets left out stay. */
  @Put(':source_id') @Allow('sources:write')
  replace(@CurrentCaller() caller: Caller, @SourceId() id: string, @Body() body: ReplaceSource): Promise<SourceView> {
    return this.changing(caller, id, (tx) => this.sources.replace(tx, caller, id, body));
  }

  /** Changes the fields given. */
  @Patch(':source_id') @Allow('sources:write')
  change(@CurrentCaller() caller: Caller, @SourceId() id: string, @Body() body: ChangeSource): Promise<SourceView> {
    return this.changing(caller, id, (tx) => this.sources.change(tx, caller, id, body));
  }

  /** Deletes a source with its quarantine and conflicts. Its events stay. */
  @Delete(':source_id') @HttpCode(204) @Allow('sources:write')
  delete(@CurrentCaller() caller: Caller, @SourceId() id: string): Promise<void> {
    return this.changing(caller, id, (tx) => this.sources.delete(tx, caller, id));
  }

  /** Gives it another URL; the previous one works beside it for `overlap_hours`. */
  @Post(':source_id/rotate-token') @HttpCode(200) @ApiBody({ type: RotateToken, required: false }) @Allow('sources:write')
  rotateToken(@CurrentCaller() caller: Caller, @SourceId() id: string, @Body() body: RotateToken): Promise<SourceView> {
    return this.changing(caller, id, (tx) => this.sources.rotateToken(tx, caller, id, body));
  }

  /** Adds a secret; the previous ones verify beside it for `overlap_hours`. */
  @Post(':source_id/rotate-secret') @HttpCode(200) @Allow('sources:write')
  rotateSecret(@CurrentCaller() caller: Caller, @SourceId() id: string, @Body() body: AddSecret): Promise<SourceView> {
    return this.changing(caller, id, (tx) => this.sources.rotateSecret(tx, caller, id, body));
  }

  /** Lists ids that the provider has used again for other bytes, newest first. The first bytes are the event's. */
  @Get(':source_id/conflicts') @Allow('sources:read')
  async listConflicts(@CurrentCaller() caller: Caller, @SourceId() id: string, @Query() { limit, cursor }: PageQuery): Promise<ConflictPage> {
    await this.sources.find(this.db.client, caller, id);
    return this.conflicts.list(this.db.client, id, limit, cursor);
  }

  /** The other bytes of a conflict. Where any event type has sensitive fields, this needs the scope `events:read_sensitive`. */
  @Get(':source_id/conflicts/:conflict_id/body') @Allow('events:read')
  @ApiProduces('*/*') @ApiOkResponse({ schema: { type: 'string', format: 'binary' } })
  async conflictBody(@CurrentCaller() caller: Caller, @SourceId() id: string, @Param('conflict_id', new UuidParam('conflict')) conflictId: string, @Res({ passthrough: true }) reply: FastifyReply): Promise<Buffer> {
    await this.sources.find(this.db.client, caller, id);
    const { body, contentType } = await this.conflicts.body(this.db.client, caller, id, conflictId);
    return attachment(reply, body, contentType ?? 'application/json', 'conflict-body');
  }

  /** Lists requests that could not be verified or that a schema refuses, newest first. */
  @Get(':source_id/quarantine') @Allow('sources:read')
  async listQuarantine(@CurrentCaller() caller: Caller, @SourceId() id: string, @Query() { limit, cursor }: PageQuery): Promise<QuarantinePage> {
    return this.quarantine.list(this.db.client, caller, await this.sources.find(this.db.client, caller, id), limit, cursor);
  }

  /** The body of a quarantined request. Where any event type has sensitive fields, this needs the scope `events:read_sensitive`. */
  @Get(':source_id/quarantine/:quarantine_id/body') @Allow('sources:read')
  @ApiProduces('*/*') @ApiOkResponse({ schema: { type: 'string', format: 'binary' } })
  async quarantinedBody(@CurrentCaller() caller: Caller, @SourceId() id: string, @Param('quarantine_id', new UuidParam('quarantined request')) quarantineId: string, @Res({ passthrough: true }) reply: FastifyReply): Promise<Buffer> {
    const { body, contentType } = await this.quarantine.body(this.db.client, caller, await this.sources.find(this.db.client, caller, id), quarantineId);
    return attachment(reply, body, contentType, 'quarantined-body');
  }

  /** Verifies what is in quarantine again, by the secrets and schemas of now. What passes becomes events and leaves it. */
  @Post(':source_id/quarantine/reverify') @HttpCode(200) @ApiBody({ type: Reverify, required: false }) @Allow('sources:write')
  async reverify(@CurrentCaller() caller: Caller, @SourceId() id: string, @Body() { limit }: Reverify): Promise<Reverified> {
    return this.quarantine.reverify(caller, await this.sources.find(this.db.client, caller, id), limit);
  }

  /** A change, and this process told of it once it is committed. */
  private async changing<T>(caller: Caller, id: string, change: (tx: Tx) => Promise<T>): Promise<T> {
    const before = await this.sources.find(this.db.client, caller, id);
    const changed = await this.db.transaction(change);
    this.sources.forget(before);
    return changed;
  }
}
