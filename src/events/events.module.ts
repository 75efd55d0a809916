import { Module } from '@nestjs/common';
import { EventsController } from './events.controller.js';
import { Events } from './events.js';
import { LogPartitions } from './log-partitions.js';

/**
 * # Events: the spine, an append-only log
 *
 * The way of one event: `events.controller` has `publish.ts` read it from the body's text (so that the bytes of `data` are
 * kept) → `events.ts` gathers what arrives at the same time into one transaction → `events.sql.ts` writes ledger and log in
 * one statement → the same transaction publishes `events.appended` (`events.topics.ts`), one job per interested queue → the
 * commit → 202. `envelope.ts` is the text that receivers later get.
 *
 * Guaranteed: 202 means committed; an id chosen by the publisher is stored once, across days and processes; an event that
 * cannot be stored never sinks the others of its batch. Not guaranteed: order between concurrent publishers.
 *
 * Nobody updates or deletes an event. Days go as whole partitions after `EVENT_RETENTION_DAYS` (`log-partitions.ts`).
 */
@Module({
  controllers: [EventsController],
  providers: [Events, LogPartitions],
  exports: [Events],
})
export class EventsModule {}
