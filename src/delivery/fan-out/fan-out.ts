import { Injectable } from '@nestjs/common';
import type { EventsAppended } from '../../events/index.js';
import { atOnce, Clock, type Courtesy, HotLane, type InParts, type JobBatch, type Lane, Metrics, uuidv7 } from '../../platform/index.js';
import { DispatchLoop } from '../dispatch/dispatch-loop.js';
import { countFiltered } from '../filters/filters.sql.js';
import { Lines } from '../order/lines.js';
import type { Line } from '../order/lines.sql.js';
import { Processing } from '../processing/processing.js';
import { insertDeliveries, type NewDelivery, readBatch, readTargets, type Target } from './fan-out.sql.js';
import { chooses } from './match.js';
import { type Chosen, looksInside, Sieve } from './sieve.js';

/** What one run has come to so far. */
interface Tally {
  created: number;
  /** Events kept back by the filter of a webhook. */
  refused: Map<string, number>;
  /** Lines of ordered webhooks that have grown. */
  lines: Line[];
}

/** Events per transaction: enough to make one cheap, few enough that the next tenant's turn comes soon. */
const STEP_EVENTS = 1_000;

/**
 * Matches appended batches against the webhooks of their tenants, exactly once: the deliveries and the jobs' end commit together. Nothing is sent
 * before its claim is on the disk, and with it what was committed here before; lost with a crash of Postgres, it is done again.
 */
@Injectable()
export class FanOut {
  constructor(
    private readonly hot: HotLane,
    private readonly clock: Clock,
    private readonly metrics: Metrics,
    private readonly loop: DispatchLoop,
    private readonly sieve: Sieve,
    private readonly lines: Lines,
    private readonly processing: Processing,
  ) {}

  /** Takes jobs in steps, each a transaction that ends its jobs. Those in bulk take the steps with `courtesy`. */
  async run(appended: EventsAppended[], batch: JobBatch, courtesy?: Courtesy): Promise<void> {
    for (let from = 0; from < appended.length; ) {
      let to = from;
      for (let events = 0; to < appended.length && (to === from || events + sizeOf(appended[to]!) <= STEP_EVENTS); to++) events += sizeOf(appended[to]!);
      const step = (inParts: InParts, urgent = false): Promise<number> => this.step(appended.slice(from, to), (lane) => batch.complete(lane, from, to), inParts, urgent);
      await this.processing.rest(await (courtesy ? courtesy.run(appended.slice(from, to).flatMap(({ tenants }) => Object.keys(tenants)), step) : step(atOnce, true)));
      from = to;
    }
  }

  /** Answers how long to rest after it. */
  private async step(appended: EventsAppended[], complete: (lane: Lane) => Promise<void>, inParts: InParts, urgent: boolean): Promise<number> {
    const { created, refused, lines, waitMs } = await this.hot.withAsyncCommit(async (lane) => {
      const tally: Tally = { created: 0, refused: new Map(), lines: [] };
      const targets = new Map<string, Target[]>();
      for (const { recorded_at, tenants } of appended) {
        for (const [tenantId, eventIds] of Object.entries(tenants)) {
          if (!targets.has(tenantId)) targets.set(tenantId, await readTargets(lane, tenantId));
          const positions = new Map(eventIds.map((id, index) => [id, index]));
          await inParts(eventIds, (part) => this.fanOut(lane, tenantId, new Date(recorded_at), part, positions, targets.get(tenantId)!, tally));
        }
      }
      // Last, because its rows stay locked: other processes count there too.
      await countFiltered(lane, new Date(this.clock.now()), tally.refused);
      const waitMs = await this.processing.spend(lane, appended.reduce((sum, each) => sum + sizeOf(each), 0));
      await complete(lane);
      return { ...tally, waitMs };
    });
    this.metrics.deliveriesCreated.inc(created);
    this.metrics.deliveriesFiltered.inc([...refused.values()].reduce((sum, count) => sum + count, 0));
    if (created > 0) this.loop.wake(urgent);
    if (lines.length > 0) await this.lines.advance(lines);
    return waitMs;
  }

  private async fanOut(lane: Lane, tenantId: string, recordedAt: Date, eventIds: string[], positions: Map<string, number>, targets: Target[], tally: Tally): Promise<void> {
    if (targets.length === 0) return;
    const createdAt = new Date(this.clock.now());
    const chosen = (await readBatch(lane, tenantId, recordedAt, eventIds, targets.some(looksInside))).map((event): Chosen => ({
      event, targets: targets.filter((target) => event.about !== target.webhook_id && chooses(target, event.event_type)), orderKeys: new Map(),
    }));
    await this.sieve.sift(lane, tenantId, recordedAt, chosen, tally.refused);
    const deliveries = chosen.flatMap(({ event, targets: takers, orderKeys }) => takers.map(({ webhook_id, ordered }): NewDelivery => ({
      deliveryId: uuidv7(createdAt.getTime()), webhookId: webhook_id, event,
      orderKey: ordered ? (orderKeys.get(webhook_id) ?? '') : null, position: positions.get(event.event_id)!,
    })));
    await insertDeliveries(lane, tenantId, createdAt, recordedAt, deliveries);
    tally.created += deliveries.length;
    for (const { webhookId, orderKey } of deliveries) if (orderKey !== null) tally.lines.push({ webhookId, orderKey });
  }
}

function sizeOf({ tenants }: EventsAppended): number {
  return Object.values(tenants).reduce((sum, ids) => sum + ids.length, 0);
}
