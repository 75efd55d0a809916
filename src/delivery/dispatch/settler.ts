import { setTimeout } from 'node:timers/promises';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { Events } from '../../events/index.js';
import { Clock, HotLane, isDatabaseAway, isRefusedData, Log, Metrics, MicroBatch } from '../../platform/index.js';
import type { Claim } from './claim.sql.js';
import { Lines } from '../order/lines.js';
import { disableWebhook, endWaiting } from './ending.sql.js';
import { deliveryExhausted, webhookDisabled } from './news.js';
import { settle, type Settlement } from './settle.sql.js';

const BATCH = 250;
const IN_FLIGHT = 2;
const PACE_MS = 5;
const RETRY_MS = 250;

/** Records what attempts came to. Outcomes that come within a few milliseconds share a statement. */
@Injectable()
export class Settler implements OnApplicationShutdown {
  private closed = false;
  private readonly batch = new MicroBatch<Settlement, void>((settlements) => this.settleAll(settlements), { maxWeight: BATCH, inFlight: IN_FLIGHT, paceMs: PACE_MS });

  constructor(
    private readonly hot: HotLane,
    private readonly clock: Clock,
    private readonly log: Log,
    private readonly metrics: Metrics,
    private readonly events: Events,
    private readonly lines: Lines,
  ) {}

  /** Resolves once the outcome is on record. Waits for a database that is away: dropping an outcome would mean sending again. */
  settle(settlement: Settlement): Promise<void> {
    return this.batch.add(settlement);
  }

  /**
   * Stops a webhook whose receiver wants no more: what waits for it becomes dead letters, and `webhook.disabled` is published.
   * Answers false when it was changed, or stopped, since the claim.
   */
  async disable(claim: Claim, reason: string): Promise<boolean> {
    const at = new Date(this.clock.now());
    return this.whenDatabaseIsBack(() => this.hot.transaction(async (lane) => {
      if (!(await disableWebhook(lane, claim.webhook_id, claim.webhook_version, reason, at))) return false;
      await endWaiting(lane, { webhookId: claim.webhook_id, status: 'dead', reason: `The webhook was disabled: ${reason}`, at });
      await this.events.append(lane, claim.tenant_id, [webhookDisabled(claim.webhook_id, reason)]);
      return true;
    }));
  }

  onApplicationShutdown(): void {
    this.closed = true;
  }

  private async settleAll(settlements: Settlement[]): Promise<void[]> {
    try {
      const settled = await this.whenDatabaseIsBack(() => this.settleOnce(settlements));
      const ended = settlements.flatMap(({ claim: { webhook_id, order_key }, status }) => (order_key === null || status === 'retrying' ? [] : [{ webhookId: webhook_id, orderKey: order_key }]));
      if (ended.length > 0) void this.lines.advance(ended);
      for (const { claim } of settlements) {
        if (!settled.has(claim.delivery_id)) this.log.warn({ delivery_id: claim.delivery_id, attempt: claim.attempt }, 'the outcome of an attempt came after others had taken its delivery over, or twice');
      }
    } catch (error) {
      // Postgres refuses a value in here: halve until only that one is recorded without what the receiver answered.
      const [first, ...rest] = settlements;
      if (rest.length === 0 && isBare(first!)) throw error;
      const middle = settlements.length >> 1;
      const parts = rest.length === 0 ? [[bared(first!)]] : [settlements.slice(0, middle), settlements.slice(middle)];
      this.log.warn({ err: error, settlements: settlements.length }, 'a record of attempts was refused');
      for (const part of parts) await this.settleAll(part);
    }
    return settlements.map(() => undefined);
  }

  private async settleOnce(settlements: Settlement[]): Promise<Set<string>> {
    const dead = settlements.filter(({ status }) => status === 'dead');
    if (dead.length === 0) return settle(this.hot, settlements);
    return this.hot.transaction(async (lane) => {
      const settled = await settle(lane, settlements);
      const buried = dead.filter(({ claim }) => settled.has(claim.delivery_id));
      this.metrics.deliveriesDead.inc(buried.length);
      for (const { claim, reason } of buried) {
        const news = deliveryExhausted(claim, reason!);
        if (news) await this.events.append(lane, claim.tenant_id, [news]);
      }
      return settled;
    });
  }

  private async whenDatabaseIsBack<T>(work: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        // Away, out of disk, locked: whatever is not the fault of what we write passes, and then it can be written.
        if (isRefusedData(error) || this.closed) throw error;
        if (!isDatabaseAway(error)) this.log.error({ err: error }, 'recording attempts failed, it will be tried again');
        await setTimeout(RETRY_MS);
      }
    }
  }
}

/** A settlement whose record holds nothing that came from the receiver. */
function bared({ attempt, ...settlement }: Settlement): Settlement {
  if (!attempt) return settlement;
  const { startedAt, durationMs, requestHeaders, responseStatus, errorClass } = attempt;
  return { ...settlement, attempt: { startedAt, durationMs, requestHeaders, responseStatus, errorClass } };
}

function isBare({ attempt }: Settlement): boolean {
  return !attempt || (attempt.responseBody === undefined && attempt.responseHeaders === undefined && attempt.error === undefined);
}
