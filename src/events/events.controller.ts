import { Controller, Get, Header, HttpCode, Post, Query, Req } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import { ApiBearerAuth, ApiBody, ApiExtraModels, ApiOkResponse, ApiQuery, ApiResponse, ApiTags, getSchemaPath } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { Allow, type Caller, CurrentCaller } from '../auth/index.js';
import { Database, derivedUuid, pageOf, Problem, readCursor, toDto, Turns } from '../platform/index.js';
import { viewOf } from './envelope.js';
import { EventPage, ListEvents, PublishBatch, PublishedBatch, PublishedEvent, PublishEvent, RefusedEvent } from './events.dto.js';
import { Events } from './events.js';
import { EVENT_ID, type NewEvent, readPublish, type Refused } from './publish.js';

@ApiTags('Events')
@ApiBearerAuth()
@ApiExtraModels(PublishEvent, PublishBatch, PublishedEvent, PublishedBatch, RefusedEvent)
@Controller('v1/events')
export class EventsController {
  constructor(private readonly db: Database, private readonly events: Events) {}

  /**
   * Publishes one event, or up to 1,000 as `{"events": […]}`. 202 means committed: it will not be lost. In a batch, an event
   * that cannot be stored is answered in its place as `{index, error}` and the others are stored.
   */
  @Post() @HttpCode(202) @Allow('events:write')
  @RouteConfig({ judgesBody: true })
  @ApiBody({ schema: { oneOf: [{ $ref: getSchemaPath(PublishEvent) }, { $ref: getSchemaPath(PublishBatch) }] } })
  @ApiResponse({ status: 202, schema: { oneOf: [{ $ref: getSchemaPath(PublishedEvent) }, { $ref: getSchemaPath(PublishedBatch) }] } })
  async publish(@Req() request: FastifyRequest): Promise<PublishedEvent | PublishedBatch> {
    // The caller from the request: a decorated argument would be sent through the pipes, on the hottest route there is.
    const { tenantId } = request.caller!;
    const { batch, events: members } = readPublish(request.bodyText, request.body);
    const events = batch ? await inTurns(members) : [...members];
    const good = events.flatMap((event, index) => ('faults' in event ? [] : [withDerivedId(event, index, request)]));
    const appended = await this.events.publish(tenantId, good);
    if (!batch) return appended[0]!;
    let at = 0;
    return {
      data: events.map((event, index) => ('faults' in event ? { index, error: Problem.invalid(...event.faults).toBody(`/v1/events#/events/${index}`) } : appended[at++]!)),
    };
  }

  /** Lists the log, newest first. Any `metadata.<key>=<value>` narrows it. */
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
    const page = pageOf(rows, query.limit, (row) => [row.recorded_at.toISOString(), row.event_id], (row) => viewOf(row));
    return `{"data":[${page.data.join(',')}],"next_cursor":${JSON.stringify(page.next_cursor)}}`;
  }
}

/** A batch of a thousand takes 20 ms to read, during which nobody else would be answered. */
const TURN_MS = 4;

async function inTurns(members: Iterable<NewEvent | Refused>): Promise<(NewEvent | Refused)[]> {
  const turns = new Turns(TURN_MS);
  const read: (NewEvent | Refused)[] = [];
  for (const member of members) {
    read.push(member);
    if (turns.isOver) await turns.next();
  }
  return read;
}

/**
 * An event published under an `Idempotency-Key` and without an id of its own gets one that follows from the key, so that
 * even a repeat after a crash between commit and answer finds it in the log.
 */
function withDerivedId(event: NewEvent, index: number, { headers, caller, bodyText }: FastifyRequest): NewEvent {
  const key = headers['idempotency-key'];
  if (key === undefined || event.eventId !== undefined) return event;
  return { ...event, eventId: derivedUuid(caller!.tenantId, key, index, bodyText) };
}
