import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/index.js';
import { EventTypesController } from './event-types.controller.js';
import { EventsController } from './events.controller.js';
import { Events } from './events.js';
import { LogPartitions } from './log-partitions.js';
import { Catalogues } from './types/catalogues.js';
import { EventTypes } from './types/event-types.js';
import { Imports } from './types/imports.js';
import { Inference } from './types/inference.js';

/**
 * # Events: the spine, an append-only log
 *
 * The way of one event: `publish.ts` reads it from the text it came in (so that the bytes of `data` are kept) → `events.ts`
 * appends it in the transaction of whoever brings it (`ingest`, mostly) → `events.sql.ts` writes ledger and log in one
 * statement → the same transaction publishes `events.appended` (`events.topics.ts`), one job per interested queue.
 * `envelope.ts` is the text that receivers later get.
 *
 * Guaranteed: an id chosen by the publisher is stored once, across days and processes. Not guaranteed: order between
 * concurrent publishers.
 *
 * What an event may be is said by folder: `types/` are the event types that tenants register, with versions of a schema; what
 * publishing and showing need of them is remembered per process (`catalogues.ts`). `schemas/` are the algorithms: reading
 * (`read-schema.ts`), holding values against a schema at a bounded cost (`compile.ts`), proving that a new version keeps what the
 * old one promised (`compatibility.ts`), proposing one (`infer.ts`). `imports/` reads OpenAPI and AsyncAPI documents.
 *
 * Nobody updates or deletes an event. Days go as whole partitions after `EVENT_RETENTION_DAYS` (`log-partitions.ts`).
 */
@Module({
  imports: [AuthModule],
  controllers: [EventTypesController, EventsController],
  providers: [Events, LogPartitions, Catalogues, EventTypes, Imports, Inference],
  exports: [Events, Catalogues, LogPartitions],
})
export class EventsModule {}
