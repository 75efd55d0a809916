import { Module } from '@nestjs/common';
import { EventsController } from './events.controller.js';
import { Events } from './events.js';
import { LogPartitions } from './log-partitions.js';

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
 * Nobody updates or deletes an event. Days go as whole partitions after `EVENT_RETENTION_DAYS` (`log-partitions.ts`).
 */
@Module({
  controllers: [EventsController],
  providers: [Events, LogPartitions],
  exports: [Events],
})
export class EventsModule {}
