import { Module } from '@nestjs/common';
import { EventsModule } from '../events/index.js';
import { Attempts } from './attempt.js';
import { DeadLettersController, DeliveriesController, EventHistoryController } from './deliveries.controller.js';
import { Deliveries } from './deliveries.js';
import { DispatchLoop } from './dispatch-loop.js';
import { Endpoints } from './endpoints.js';
import { FanOutWorker } from './fan-out.worker.js';
import { QueueGauges } from './queue-gauges.js';
import { DeliveryRetention } from './retention.js';
import { WebhooksController } from './webhooks.controller.js';
import { Webhooks } from './webhooks.js';

/**
 * # Delivery: events out to webhooks, at least once
 *
 * A *webhook* is an endpoint that receives events. A *delivery* is one event for one webhook; an *attempt* is one HTTP
 * exchange for it. The *queue* holds a row exactly as long as a delivery is pending or retrying; a *dead letter* is one that
 * was given up, with the reason.
 *
 * The way of one event: `events` commits a batch and publishes `events.appended` → `fan-out.worker` matches it (`match.ts`) and
 * writes deliveries and queue rows, in the transaction that ends its job (`fan-out.sql.ts`) → `dispatch-loop.ts` claims what is
 * due (`claim.sql.ts`) → `attempt.ts` builds the message, signs it (`sign.ts`) and sends it → `verdict.ts` judges the answer,
 * `retry.ts` says when to try again → `settle.sql.ts` records the attempt and ends or requeues the delivery, in one statement.
 *
 * Guaranteed: every committed event reaches every webhook that matched at fan-out, or ends as a dead letter with a reason. A
 * process that dies holds its claims for seconds (`dispatchers` heartbeats); whatever it may have sent is on record as an
 * `interrupted` attempt. A silent receiver holds its own slots only.
 * Not guaranteed: exactly once, or order. `webhook-id` is stable across attempts so that receivers can drop doubles.
 */
@Module({
  imports: [EventsModule],
  controllers: [WebhooksController, DeliveriesController, DeadLettersController, EventHistoryController],
  providers: [Webhooks, Endpoints, Attempts, Deliveries, DispatchLoop, FanOutWorker, DeliveryRetention, QueueGauges],
})
export class DeliveryModule {}
