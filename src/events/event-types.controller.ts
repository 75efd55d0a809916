import { Body, Controller, Delete, Get, HttpCode, Param, Post, Put, Query } from '@nestjs/common';
import { ApiBearerAuth, ApiBody, ApiTags } from '@nestjs/swagger';
import { Allow, type Caller, CurrentCaller } from '../auth/index.js';
import { Database } from '../platform/index.js';
import { CreateEventType, CreateVersion, EventTypePage, EventTypeView, InferredSchema, InferSchema, ListEventTypes, ReplaceEventType, SetVersionStatus, VersionPage, VersionView } from './types/event-types.dto.js';
import { EventTypes } from './types/event-types.js';
import { ImportEventTypes, ImportResult } from './types/imports.dto.js';
import { Imports } from './types/imports.js';
import { Inference } from './types/inference.js';

const Name = () => Param('name');

@ApiTags('Event types')
@ApiBearerAuth()
@Controller('v1/event-types')
export class EventTypesController {
  constructor(private readonly db: Database, private readonly types: EventTypes, private readonly imports: Imports, private readonly inference: Inference) {}

  /** Registers an event type. With a `schema`, `data` of its events is held against it from then on. */
  @Post() @Allow('event-types:write')
  create(@CurrentCaller() caller: Caller, @Body() body: CreateEventType): Promise<EventTypeView> {
    return this.types.change(caller, (tx) => this.types.create(tx, caller, body));
  }

  /** Lists event types by name, the built-in ones among them. */
  @Get() @Allow('event-types:read')
  list(@CurrentCaller() caller: Caller, @Query() { archived, limit, cursor }: ListEventTypes): Promise<EventTypePage> {
    return this.types.list(this.db.client, caller, archived, limit, cursor);
  }

  /** Registers the event types that an OpenAPI 3.1 (`webhooks`) or AsyncAPI 2 or 3 document describes, and new versions of known ones, in one transaction. */
  @Post('import') @HttpCode(200) @Allow('event-types:write')
  import(@CurrentCaller() caller: Caller, @Body() body: ImportEventTypes): Promise<ImportResult> {
    return this.imports.import(caller, body);
  }

  /** One event type, with the schema that is in force. */
  @Get(':name') @Allow('event-types:read')
  get(@CurrentCaller() caller: Caller, @Name() name: string): Promise<EventTypeView> {
    return this.types.get(this.db.client, caller, name);
  }

  /** Replaces what is said of an event type: fields left out get their defaults. Its versions stay. */
  @Put(':name') @Allow('event-types:write')
  replace(@CurrentCaller() caller: Caller, @Name() name: string, @Body() body: ReplaceEventType): Promise<EventTypeView> {
    return this.types.change(caller, (tx) => this.types.replace(tx, caller, name, body));
  }

  /** Archives an event type: nothing is held against its schemas any more. Its sensitive fields stay masked. */
  @Delete(':name') @HttpCode(204) @Allow('event-types:write')
  archive(@CurrentCaller() caller: Caller, @Name() name: string): Promise<void> {
    return this.types.change(caller, (tx) => this.types.archive(tx, caller, name));
  }

  /** Adds a version of the schema, ACTIVE at once. Refused where it breaks what it has to keep, naming each place. */
  @Post(':name/versions') @Allow('event-types:write')
  addVersion(@CurrentCaller() caller: Caller, @Name() name: string, @Body() body: CreateVersion): Promise<VersionView> {
    return this.types.change(caller, (tx) => this.types.addVersion(tx, caller, name, body));
  }

  /** Lists the versions of an event type's schema, newest first. */
  @Get(':name/versions') @Allow('event-types:read')
  listVersions(@CurrentCaller() caller: Caller, @Name() name: string): Promise<VersionPage> {
    return this.types.listVersions(this.db.client, caller, name);
  }

  /** Switches a version on or off. The newest ACTIVE one is in force. */
  @Put(':name/versions/:version/status') @Allow('event-types:write')
  setStatus(@CurrentCaller() caller: Caller, @Name() name: string, @Param('version') version: string, @Body() { status }: SetVersionStatus): Promise<VersionView> {
    return this.types.change(caller, (tx) => this.types.setStatus(tx, caller, name, version, status));
  }

  /** Proposes a schema that the newest stored events of a type meet. Stores nothing; the type need not be registered. */
  @Post(':name/infer') @HttpCode(200) @ApiBody({ type: InferSchema, required: false }) @Allow('events:read')
  infer(@CurrentCaller() caller: Caller, @Name() name: string, @Body() { limit }: InferSchema): Promise<InferredSchema> {
    return this.inference.infer(caller, name, limit);
  }
}
