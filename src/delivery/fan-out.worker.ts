import type { EventsAppended } from '../events/index.js';
import { Clock, Database, type Job, Metrics, type Tx, uuidv7, type Worker, Works } from '../platform/index.js';
import { fanOut } from './delivery.jobs.js';
import { DispatchLoop } from './dispatch-loop.js';
import { insertDeliveries, type NewDelivery, readBatch } from './fan-out.sql.js';
import { matches } from './match.js';

/** Matches an appended batch against the webhooks of its tenants, exactly once: the deliveries and the job's end commit together. */
@Works(fanOut, { concurrency: 2 })
export class FanOutWorker implements Worker<EventsAppended> {
  constructor(private readonly db: Database, private readonly clock: Clock, private readonly metrics: Metrics, private readonly loop: DispatchLoop) {}

  async work({ recorded_at, tenants }: EventsAppended, job: Job): Promise<void> {
    const recordedAt = new Date(recorded_at);
    const created = await this.db.transaction(async (tx) => {
      let count = 0;
      for (const [tenantId, eventIds] of Object.entries(tenants)) count += await this.fanOut(tx, tenantId, recordedAt, eventIds);
      await job.complete(tx);
      return count;
    });
    this.metrics.deliveriesCreated.inc(created);
    if (created > 0) this.loop.wake();
  }

  private async fanOut(tx: Tx, tenantId: string, recordedAt: Date, eventIds: string[]): Promise<number> {
    // A paused webhook is served too: its deliveries wait until it is resumed. A disabled one is not.
    const webhooks = await tx.webhook.findMany({ where: { tenantId, deletedAt: null, disabledAt: null }, select: { webhookId: true, events: true } });
    if (webhooks.length === 0) return 0;
    const createdAt = new Date(this.clock.now());
    const deliveries: NewDelivery[] = [];
    for (const event of await readBatch(tx, tenantId, recordedAt, eventIds)) {
      for (const { webhookId, events } of webhooks) {
        if (event.about === webhookId || !matches(events, event.event_type)) continue;
        deliveries.push({ deliveryId: uuidv7(createdAt.getTime()), webhookId, event });
      }
    }
    await insertDeliveries(tx, tenantId, createdAt, recordedAt, deliveries);
    return deliveries.length;
  }
}
