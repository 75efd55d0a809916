import { Injectable } from '@nestjs/common';
import { Audit, type Caller } from '../../auth/index.js';
import { Catalogues, Events, type NewEvent } from '../../events/index.js';
import { Clock, Database, HotLane, pageOf, Problem, readCursor, type Tx, uuidv7, type Webhook } from '../../platform/index.js';
import { matches } from '../fan-out/match.js';
import { approvedPatterns } from '../partners/partners.sql.js';
import { Attempts } from '../dispatch/attempt.js';
import { DeliveryView } from './deliveries.dto.js';
import { type DeliveryFilter, findDelivery, hasten, listAttempts, listDeliveries, requeueEnded, waitsItsTurn } from './deliveries.sql.js';
import { DispatchLoop } from '../dispatch/dispatch-loop.js';
import { Lines } from '../order/lines.js';
import { endWaiting } from '../dispatch/ending.sql.js';
import { Endpoints } from '../webhooks/endpoints.js';
import { exampleOf } from '../shapes/examples.js';
import { failureOf } from '../dispatch/verdict.js';
import { Webhooks } from '../webhooks/webhooks.js';
import type { TestResult } from '../webhooks/webhooks.dto.js';

/** The delivery history, and what an operator can do with a delivery. */
@Injectable()
export class Deliveries {
  constructor(
    private readonly db: Database,
    private readonly hot: HotLane,
    private readonly clock: Clock,
    private readonly webhooks: Webhooks,
    private readonly events: Events,
    private readonly attempts: Attempts,
    private readonly endpoints: Endpoints,
    private readonly loop: DispatchLoop,
    private readonly lines: Lines,
    private readonly audit: Audit,
    private readonly catalogues: Catalogues,
  ) {}

  async list(caller: Caller, filter: DeliveryFilter, limit: number, cursor?: string): Promise<{ data: DeliveryView[]; next_cursor: string | null }> {
    const rows = await listDeliveries(this.db.client, caller.tenantId, filter, readCursor(cursor), limit + 1);
    return pageOf(rows, limit, (row) => [row.created_at.toISOString(), row.delivery_id], (row) => DeliveryView.of(row));
  }

  /** One delivery with all its attempts. */
  async get(caller: Caller, deliveryId: string): Promise<DeliveryView> {
    const row = await findDelivery(this.db.client, caller.tenantId, deliveryId);
    if (!row) throw Problem.notFound('delivery');
    const isSecret = await this.catalogues.secrecyFor(caller);
    return DeliveryView.of(row, await listAttempts(this.db.client, row), isSecret(row.event_type));
  }

  /** Attempts a delivery once more, now: one that waits is hastened, one that has ended is sent again. */
  async retry(caller: Caller, deliveryId: string): Promise<DeliveryView> {
    const line = await this.db.transaction(async (tx) => {
      const row = await findDelivery(tx, caller.tenantId, deliveryId);
      if (!row) throw Problem.notFound('delivery');
      if (row.is_test) throw new Problem('conflict', 'A test is not retried; run another one.');
      const webhook = await this.requireOpen(tx, caller, row.webhook_id);
      const now = new Date(this.clock.now());
      const underWay = new Problem('conflict', 'The delivery is being attempted right now.');
      if (row.status === 'pending' || row.status === 'retrying') {
        if (await waitsItsTurn(tx, row)) throw new Problem('conflict', 'The delivery waits for its turn behind others with the same order key.');
        if (!(await hasten(tx, row, now))) throw underWay;
        return undefined;
      }
      const approved = await approvedPatterns(tx, webhook);
      if (approved && !matches(approved, row.event_type)) throw new Problem('conflict', 'No approved subscription of the webhook names this event type any more.');
      const requeued = await requeueEnded(tx, row, now);
      if (!requeued) throw underWay;
      return requeued.orderKey === null ? undefined : { webhookId: row.webhook_id, orderKey: requeued.orderKey };
    });
    if (line) await this.lines.advance([line]);
    this.loop.wake();
    return this.get(caller, deliveryId);
  }

  /** Sends an example event to a webhook, once, and answers what came of it. Works on a paused or disabled webhook too. */
  async test(caller: Caller, webhookId: string, eventType: string): Promise<TestResult> {
    const webhook = await this.webhooks.find(this.db.client, caller, webhookId);
    const endpoint = (await this.endpoints.load(new Map([[webhookId, webhook.version]]))).get(webhookId)!;
    const example: NewEvent = { eventType, data: exampleOf(eventType, this.clock.now()), metadata: '{"test":true}' };
    const [event] = await this.hot.transaction((lane) => this.events.append(lane, caller.tenantId, [example], 'never'));
    const createdAt = new Date(this.clock.now());
    const deliveryId = uuidv7(createdAt.getTime());
    const { exchange, record } = await this.attempts.make(endpoint, deliveryId, event!);
    const failure = failureOf(exchange);
    const status = failure ? 'dead' : 'succeeded';
    const ids = { tenantId: caller.tenantId, deliveryId, webhookId };
    await this.db.transaction(async (tx) => {
      await tx.delivery.create({
        data: { ...ids, createdAt, eventId: event!.event_id, eventRecordedAt: event!.recorded_at, eventType, isTest: true, status, attemptCount: 1, completedAt: new Date(this.clock.now()) },
      });
      await tx.attempt.create({ data: { ...ids, attempt: 1, trigger: 'test', ...record } });
      await this.audit.record(tx, caller, { action: 'webhook.tested', subject_type: 'webhook', subject_id: webhookId, after: { delivery_id: deliveryId, event_type: eventType, status } });
    });
    return { delivery_id: deliveryId, status, response_status: record.responseStatus ?? null, duration_ms: record.durationMs, error: failure?.error ?? null };
  }

  /** Cancels what waits for a webhook that has been deleted. Where that is much, or this process dies before, a dispatcher does the rest. */
  async cancelWaiting(webhookId: string): Promise<void> {
    await endWaiting(this.hot, { webhookId, status: 'cancelled', reason: '', at: new Date(this.clock.now()) });
  }

  private async requireOpen(tx: Tx, caller: Caller, webhookId: string): Promise<Webhook> {
    const webhook = await tx.webhook.findFirst({ where: { webhookId, tenantId: caller.tenantId } });
    if (!webhook || webhook.deletedAt) throw new Problem('conflict', 'The webhook of this delivery has been deleted.');
    if (webhook.disabledAt) throw new Problem('conflict', 'The webhook of this delivery is disabled. Set is_active to true first.');
    return webhook;
  }
}
