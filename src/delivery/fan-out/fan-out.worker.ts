import type { EventsAppended } from '../../events/index.js';
import { Clock, HotLane, type JobBatch, type Lane, Metrics, uuidv7, type Worker, Works } from '../../platform/index.js';
import { countFiltered } from '../filters/filters.sql.js';
import { fanOut } from './fan-out.jobs.js';
import { DispatchLoop } from '../dispatch/dispatch-loop.js';
import { insertDeliveries, type NewDelivery, readBatch, readTargets, type Target } from './fan-out.sql.js';
import { matches } from './match.js';
import { Sieve } from './sieve.js';

/** Matches appended batches against the webhooks of their tenants, exactly once: the deliveries and the jobs' end commit together. */
@Works(fanOut, { batchSize: 16, paceMs: 15 })
export class FanOutWorker implements Worker<EventsAppended> {
  constructor(private readonly hot: HotLane, private readonly clock: Clock, private readonly metrics: Metrics, private readonly loop: DispatchLoop, private readonly sieve: Sieve) {}

  async work(appended: EventsAppended[], batch: JobBatch): Promise<void> {
    const { created, filtered } = await this.hot.transaction(async (lane) => {
      const targets = new Map<string, Target[]>();
      const refused = new Map<string, number>();
      let count = 0;
      for (const { recorded_at, tenants } of appended) {
        for (const [tenantId, eventIds] of Object.entries(tenants)) {
          if (!targets.has(tenantId)) targets.set(tenantId, await readTargets(lane, tenantId));
          count += await this.fanOut(lane, tenantId, new Date(recorded_at), eventIds, targets.get(tenantId)!, refused);
        }
      }
      // Last, because its rows stay locked: other processes count there too.
      await countFiltered(lane, new Date(this.clock.now()), refused);
      await batch.complete(lane);
      return { created: count, filtered: [...refused.values()].reduce((sum, n) => sum + n, 0) };
    });
    this.metrics.deliveriesCreated.inc(created);
    this.metrics.deliveriesFiltered.inc(filtered);
    if (created > 0) this.loop.wake();
  }

  private async fanOut(lane: Lane, tenantId: string, recordedAt: Date, eventIds: string[], targets: Target[], refused: Map<string, number>): Promise<number> {
    if (targets.length === 0) return 0;
    const createdAt = new Date(this.clock.now());
    const chosen = (await readBatch(lane, tenantId, recordedAt, eventIds)).map((event) => ({
      event, targets: targets.filter(({ webhook_id, events }) => event.about !== webhook_id && matches(events, event.event_type)),
    }));
    await this.sieve.sift(lane, tenantId, recordedAt, chosen, refused);
    const deliveries = chosen.flatMap(({ event, targets }) => targets.map(({ webhook_id }): NewDelivery => ({ deliveryId: uuidv7(createdAt.getTime()), webhookId: webhook_id, event })));
    await insertDeliveries(lane, tenantId, createdAt, recordedAt, deliveries);
    return deliveries.length;
  }
}
