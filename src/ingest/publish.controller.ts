import { Controller, HttpCode, Post, Req } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import { ApiBearerAuth, ApiBody, ApiExtraModels, ApiResponse, ApiTags, getSchemaPath } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { Allow, StraightRoutes } from '../auth/index.js';
import { Catalogues, type NewEvent, readPublish, type Refused } from '../events/index.js';
import { Courtesy, derivedUuid, Problem, Turns } from '../platform/index.js';
import { Admission } from './admission/admission.js';
import { Capture } from './capture.js';
import { PublishBatch, PublishedBatch, PublishedEvent, PublishEvent, RefusedEvent } from './publish.dto.js';

@ApiTags('Events')
@ApiBearerAuth()
@ApiExtraModels(PublishEvent, PublishBatch, PublishedEvent, PublishedBatch, RefusedEvent)
@Controller('v1/events')
export class PublishController {
  constructor(straight: StraightRoutes, private readonly capture: Capture, private readonly admission: Admission, private readonly catalogues: Catalogues, private readonly courtesy: Courtesy) {
    straight.add('/v1/events', 202, this, 'publish');
  }

  /**
   * Publishes one event, or up to 1,000 as `{"events": […]}`. 202 means committed: it will not be lost. In a batch, an event
   * that cannot be stored is answered in its place as `{index, error}` and the others are stored.
   */
  @Post() @HttpCode(202) @Allow('events:write')
  @RouteConfig({ judgesBody: true, captures: true, outlivesDatabase: true })
  @ApiBody({ schema: { oneOf: [{ $ref: getSchemaPath(PublishEvent) }, { $ref: getSchemaPath(PublishBatch) }] } })
  @ApiResponse({ status: 202, schema: { oneOf: [{ $ref: getSchemaPath(PublishedEvent) }, { $ref: getSchemaPath(PublishedBatch) }] } })
  async publish(@Req() request: FastifyRequest): Promise<PublishedEvent | PublishedBatch> {
    // The caller from the request: a decorated argument would be sent through the pipes, on the hottest route there is.
    const { tenantId, keyId, rateLimit } = request.caller!;
    const catalogue = await this.catalogues.atTheDoor(tenantId);
    const { batch, events: members } = readPublish(request.bodyText, request.body, catalogue.isIdle ? undefined : (type, data) => catalogue.faultsOf(type, data));
    const events = batch ? await this.readAll(members, tenantId) : [...members];
    this.admission.count(keyId, rateLimit, events.length);
    if (!batch && 'faults' in events[0]!) throw Problem.invalid(...events[0].faults);
    const good = events.flatMap((event, index) => ('faults' in event ? [] : [withDerivedId(event, index, request)]));
    const appended = await this.capture.publish(tenantId, good);
    if (!batch) return appended[0]!;
    let at = 0;
    return {
      data: events.map((event, index) => ('faults' in event ? { index, error: Problem.invalid(...event.faults).toBody(`/v1/events#/events/${index}`) } : appended[at++]!)),
    };
  }

  /** A batch of a thousand takes 20 ms to read. */
  private async readAll(members: Iterable<NewEvent | Refused>, tenantId: string): Promise<(NewEvent | Refused)[]> {
    const turns = new Turns();
    const read: (NewEvent | Refused)[] = [];
    for (const member of members) {
      read.push(member);
      if (!turns.isOver) continue;
      await this.courtesy.rest(tenantId, turns.since);
      await turns.next();
    }
    return read;
  }
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
