import type { EventsAppended } from '../../events/index.js';
import { Clock, HotLane, type JobBatch, type Lane, Metrics, uuidv7, type Worker, Works } from '../../platform/index.js';
import { fanOut } from './fan-out.jobs.js';
import { DispatchLoop } from '../dispatch/dispatch-loop.js';
import { insertDeliveries, type NewDelivery, readBatch, readTargets } from './fan-out.sql.js';
import { matches } from './match.js';

type Targets = Awaited<ReturnType<typeof readTargets>>;

/** Matches appended batches against the webhooks of their tenants, exactly once: the deliveries and the jobs' end commit together. */
@Works(fanOut, { batchSize: 16, paceMs: 15 })
export class FanOutWorker implements Worker<EventsAppended> {
  constructor(private readonly hot: HotLane, private readonly clock: Clock, private readonly metrics: Metrics, private readonly loop: DispatchLoop) {}

  async work(appended: EventsAppended[], batch: JobBatch): Promise<void> {
    const created = await this.hot.transaction(async (lane) => {
      const targets = new Map<string, Targets>();
      let count = 0;
      for (const { recorded_at, tenants } of appended) {
        for (const [tenantId, eventIds] of Object.entries(tenants)) {
          if (!targets.has(tenantId)) targets.set(tenantId, await readTargets(lane, tenantId));
          count += await this.fanOut(lane, tenantId, new Date(recorded_at), eventIds, targets.get(tenantId)!);
        }
      }
      await batch.complete(lane);
      return count;
    });
    this.metrics.deliveriesCreated.inc(created);
    if (created > 0) this.loop.wake();
  }

  private async fanOut(lane: Lane, tenantId: string, recordedAt: Date, eventIds: string[], targets: Targets): Promise<number> {
    if (targets.length === 0) return 0;
    const createdAt = new Date(this.clock.now());
    const deliveries: NewDelivery[] = [];
    for (const event of await readBatch(lane, tenantId, recordedAt, eventIds)) {
      for (const { webhook_id: webhookId, events } of targets) {
        if (event.about === webhookId || !matches(events, event.event_type)) continue;
        deliveries.push({ deliveryId: uuidv7(createdAt.getTime()), webhookId, event });
      }
    }
    await insertDeliveries(lane, tenantId, createdAt, recordedAt, deliveries);
    return deliveries.length;
  }
}
