import { Controller, Get, Header, Param, Query, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiProduces, ApiQuery, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Allow, type Caller, CurrentCaller } from '../auth/index.js';
import { attachment, Database, pageOf, Problem, readCursor, toDto } from '../platform/index.js';
import { viewOf } from './envelope.js';
import { EventPage, ListEvents } from './events.dto.js';
import { Events } from './events.js';
import { EVENT_ID } from './publish.js';
import { Catalogues } from './types/catalogues.js';
import { withheld } from './types/sensitive.js';

@ApiTags('Events')
@ApiBearerAuth()
@Controller('v1/events')
export class EventsController {
  constructor(private readonly db: Database, private readonly events: Events, private readonly catalogues: Catalogues) {}

  /** Lists the log, newest first. Without the scope `events:read_sensitive`, sensitive fields are masked. Any `metadata.<key>=<value>` narrows it. */
  @Get() @Header('content-type', 'application/json; charset=utf-8') @Allow('events:read')
  @ApiQuery({ type: ListEvents })
  @ApiOkResponse({ type: EventPage })
  async list(@CurrentCaller() caller: Caller, @Query() raw: Record<string, string>): Promise<string> {
    const entries = Object.entries(raw);
    const query = await toDto(ListEvents, Object.fromEntries(entries.filter(([name]) => !name.startsWith('metadata.'))), '?');
    const metadata = entries.filter(([name]) => name.startsWith('metadata.')).map(([name, value]): [string, string] => [name.slice('metadata.'.length), value]);
    for (const [name, value] of metadata) {
      if (typeof value !== 'string' || /\0/.test(name + value)) throw Problem.invalid({ pointer: `?metadata.${name}`, detail: 'must be given once, without \\u0000' });
    }
    const filter = { eventType: query.event_type, sourceId: query.source_id, metadata, from: query.from ? new Date(query.from) : undefined, to: query.to ? new Date(query.to) : undefined };
    const rows = await this.events.list(this.db.client, caller.tenantId, filter, readCursor(query.cursor, EVENT_ID), query.limit + 1);
    const view = await this.catalogues.viewFor(caller);
    const page = pageOf(rows, query.limit, (row) => [row.recorded_at.toISOString(), row.event_id], (row) => viewOf(view(row)));
    return `{"data":[${page.data.join(',')}],"next_cursor":${JSON.stringify(page.next_cursor)}}`;
  }

  /** The bytes that an event came in as: of a request to a source its body, of others their `data`. Where its type has sensitive fields, they are masked or refused without the scope `events:read_sensitive`. */
  @Get(':event_id/body') @Allow('events:read')
  @ApiProduces('*/*') @ApiOkResponse({ schema: { type: 'string', format: 'binary' } })
  async body(@CurrentCaller() caller: Caller, @Param('event_id') eventId: string, @Res({ passthrough: true }) reply: FastifyReply): Promise<Buffer> {
    const { body, data, event_type, content_type } = await this.events.findBody(this.db.client, caller.tenantId, eventId);
    const isSecret = (await this.catalogues.secrecyFor(caller))(event_type);
    if (isSecret && body) throw withheld();
    const shown = body ?? Buffer.from(isSecret ? (await this.catalogues.of(caller.tenantId)).mask(event_type, data) : data);
    return attachment(reply, shown, content_type ?? 'application/json', 'event-body');
  }
}
