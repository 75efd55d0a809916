import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/index.js';
import { EventsModule } from '../events/index.js';
import { Attempts } from './dispatch/attempt.js';
import { DeadLettersController } from './dead-letters.controller.js';
import { DeliveriesController, EventHistoryController } from './deliveries.controller.js';
import { DeadLetters } from './history/dead-letters.js';
import { Deliveries } from './history/deliveries.js';
import { DispatchLoop } from './dispatch/dispatch-loop.js';
import { Endpoints } from './webhooks/endpoints.js';
import { Forms } from './webhooks/forms.js';
import { Flows } from './flow/flows.js';
import { Filters } from './filters/filters.js';
import { FilterTrials } from './fan-out/filter-trials.js';
import { FanOut } from './fan-out/fan-out.js';
import { BulkFanOutWorker, FanOutWorker } from './fan-out/fan-out.worker.js';
import { Lines } from './order/lines.js';
import { Presence } from './dispatch/presence.js';
import { QueueGauges } from './history/queue-gauges.js';
import { DeadLetterRetention, DeliveryRetention } from './history/retention.js';
import { ResendsController } from './resends.controller.js';
import { ResendLoop } from './resends/resend-loop.js';
import { Resends } from './resends/resends.js';
import { Processing } from './processing/processing.js';
import { ProcessingController } from './processing.controller.js';
import { Sieve } from './fan-out/sieve.js';
import { Settler } from './dispatch/settler.js';
import { WebhookHealth } from './history/health.js';
import { PartnersController, SubscriptionsController } from './partners.controller.js';
import { Partners } from './partners/partners.js';
import { Subscriptions } from './partners/subscriptions.js';
import { PublicKeysController, SigningKeysController } from './signing-keys.controller.js';
import { SigningKeys } from './signing/signing-keys.js';
import { WebhooksController } from './webhooks.controller.js';
import { Secrets } from './webhooks/secrets.js';
import { Webhooks } from './webhooks/webhooks.js';

/**
 * # Delivery: events out to webhooks, at least once
 *
 * A *webhook* is an endpoint that receives events. A *delivery* is one event for one webhook; an *attempt* is one HTTP
 * exchange for it. The *queue* holds a row exactly as long as a delivery is pending or retrying; a *dead letter* is one that
 * was given up, with the reason.
 *
 * The way of one event, by folder:
 *
 * - `webhooks/` says who wants what, where to send it, with which secrets (`secrets.ts`), and when to try again (`retry.ts`).
 * - `credentials/` is how it signs in there: secret headers, basic, bearer, OAuth2 (`tokens.ts`), client certificates (`tls.ts`).
 * - `signing/` turns a message and keys into headers: Standard Webhooks by secret and by key pair (`sign.ts`), the tenants' key
 *   pairs (`signing-keys.ts`), and contracts of other senders (`contract.ts`).
 * - `partners/` says which of that a webhook of somebody outside may have: what an approved subscription names, and no more.
 * - `filters/`: the condition that an event must meet: read and checked once (`read-filter.ts`), then asked (`filter.ts`).
 * - `shapes/` makes the body that a webhook asked for of a stored event: the envelope, a CloudEvent, a message to a chat (all from
 *   one notice, `notice.ts`), or a template. `options.ts` says what each format can be told.
 * - `fan-out/`: `events` commits a batch and publishes `events.appended` → `fan-out.worker` matches it (`match.ts`), has what the
 *   filters refuse taken out and counted (`sieve.ts`), and writes deliveries and queue rows, in the transaction that ends its job.
 * - `processing/`: whether fan-out goes on at all, and how fast a backlog is worked off: an operator's word, obeyed by every process.
 * - `order/`: the deliveries of an ordered webhook that share a key (`order-key.ts`) form a line, of which only the first is due (`lines.ts`).
 * - `flow/`: how fast, and whether at all: the circuit (`circuit.ts`), rate limits, holds and ramps stand in `webhook_flows`, where the
 *   claim obeys them; how many attempts may be in flight (`concurrency.ts`) each process finds out by itself (`flows.ts`).
 * - `dispatch/`: `dispatch-loop.ts` claims what is due (`claim.sql.ts`) → `attempt.ts` builds, signs and sends the message →
 *   `verdict.ts` judges the answer → `settler.ts` records the attempt and ends or requeues the delivery, in one statement
 *   (`settle.sql.ts`). `presence.ts` tells when a dispatcher has died.
 * - `history/`: what became of it, for people: deliveries, attempts, dead letters, retry by hand, retention, gauges, and why a
 *   webhook fails (`health.ts`, `advice.ts`).
 * - `resends/`: sending again what is stored. `resends.ts` fixes what a redrive, replay or recovery chooses (`selection.sql.ts`)
 *   → `resend-loop.ts` queues it chunk by chunk at its pace (`pace.ts`), rows, cursor and counts in one transaction
 *   (`advance.sql.ts`).
 *
 * Guaranteed: every committed event reaches every webhook that matched at fan-out, or ends as a dead letter with a reason. A
 * process that dies holds its claims for seconds (`dispatchers` heartbeats); whatever it may have sent is on record as an
 * `interrupted` attempt. A silent receiver holds its own slots only. An ordered webhook gets the events of a key one after another,
 * in the order of the log.
 * Not guaranteed: exactly once, or order elsewhere. `webhook-id` is stable across attempts so that receivers can drop doubles.
 */
@Module({
  imports: [AuthModule, EventsModule],
  controllers: [WebhooksController, PartnersController, SubscriptionsController, SigningKeysController, PublicKeysController, DeliveriesController, DeadLettersController, ResendsController, EventHistoryController, ProcessingController],
  providers: [
    Webhooks, Forms, Secrets, SigningKeys, Endpoints,
    Partners, Subscriptions,
    Filters, Sieve, FilterTrials, Lines, Processing, FanOut, FanOutWorker, BulkFanOutWorker,
    Attempts, Flows, Presence, Settler, DispatchLoop,
    Deliveries, DeadLetters, WebhookHealth, DeliveryRetention, DeadLetterRetention, QueueGauges,
    Resends, ResendLoop,
  ],
})
export class DeliveryModule {}
