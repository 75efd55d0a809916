import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { Bursts, Clock, Config, Courtesy, Database, type Exchange, Health, HotLane, isDatabaseAway, Log, Metrics, Turns } from '../../platform/index.js';
import { Attempts, unsent } from './attempt.js';
import { type Claim, claimDue, giveBackUnknown, type Room } from './claim.sql.js';
import { ENDED_AT_ONCE, endedWebhooksWithWaiting, endWaiting } from './ending.sql.js';
import { type Endpoint, Endpoints } from '../webhooks/endpoints.js';
import { Flows } from '../flow/flows.js';
import { Lines } from '../order/lines.js';
import { Presence } from './presence.js';
import type { Settlement } from './settle.sql.js';
import { Settler } from './settler.js';
import { isFreeProbe, judge, retryAfterOf, type Verdict } from './verdict.js';

/** How often the queue is looked at when nobody called: how late a retry can start. */
const IDLE_POLL_MS = 250;
/** Between two claims under load: a claim costs about a millisecond, so it should find several to take. */
const BUSY_PAUSE_MS = 10;

/** Attempts of one tenant that begin at once, and per second, before it counts as one in bulk. */
const BURST = 100;
const BURST_PER_SECOND = 100;
/** For so long the webhook of such an attempt counts as one in bulk. */
const BULK_MS = 1_000;

/** What has waited longer was held: by a pause of its webhook or of all processing. */
const HELD_MS = 5_000;

/** What one tenant may hold of all slots. */
const TENANT_SHARE = 15 / 16;
/** How long a delivery waits that was a probe in vain: long enough that others are the next probes, and no longer. */
const PROBED_WAIT_MS = 5_000;

/**
 * Claims due deliveries, attempts each on its own, judges it and hands the outcome to the settler. A slow receiver holds nothing
 * but its own slots.
 *
 * How many slots a webhook may hold follows the free ones: at most half as many as are still free, and never more than
 * `DELIVERY_CONCURRENCY_PER_WEBHOOK` (less while the receiver is congested: `flow/concurrency.ts`); and one claim takes at most
 * half of the free slots. So receivers that fall silent, as long as they are fewer than the slots, level off and leave some for
 * the healthy (the dynamic threshold rule of Choudhury and Hahne for shared buffers). A tenant that holds four times what is free
 * gets one slot more for each webhook without any, up to its share; and tenants with few in flight come first.
 */
@Injectable()
export class DispatchLoop implements OnApplicationBootstrap, BeforeApplicationShutdown {
  /** Attempts under way, in all, by webhook and by tenant. */
  private flying = 0;
  private readonly inFlight = new Map<string, number>();
  private readonly inFlightOfTenant = new Map<string, number>();
  private readonly bursts = new Bursts(BURST, BURST_PER_SECOND);
  /** Webhooks of tenants whose attempts come in bulk, and until when they count so. */
  private readonly inBulk = new Map<string, number>();
  /** How soon the next token of a rate limit that was used up is due, at the latest look. */
  private tokenMs = IDLE_POLL_MS;
  /** Claims that are being attempted or recorded, and under which id they were made. */
  private readonly held = new Map<Claim, string>();
  /** Ids under which something may be claimed that is not held: the answer to a claim was lost, and Postgres may have carried it out. */
  private readonly inDoubt = new Set<string>();
  private running = false;
  private ending = false;
  private loopEnded: Promise<void> = Promise.resolve();
  private wakeUp: (() => void) | undefined;
  private woken = false;
  private urgent = false;
  private isPacing = false;

  constructor(
    private readonly db: Database,
    private readonly hot: HotLane,
    private readonly config: Config,
    private readonly clock: Clock,
    private readonly log: Log,
    private readonly metrics: Metrics,
    private readonly health: Health,
    private readonly attempts: Attempts,
    private readonly endpoints: Endpoints,
    private readonly flows: Flows,
    private readonly settler: Settler,
    private readonly presence: Presence,
    private readonly lines: Lines,
    private readonly courtesy: Courtesy,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    if (!this.config.runsWorkers) return;
    await this.presence.begin(() => this.wake());
    this.lines.begin(() => this.wake());
    this.running = true;
    this.loopEnded = this.run();
  }

  /** Stops claiming, lets attempts end (each has its own deadline), and records them. */
  async beforeApplicationShutdown(): Promise<void> {
    if (!this.running) return;
    this.running = false;
    this.wake();
    await this.loopEnded;
    // The other third is for requests and jobs, before.
    const deadline = performance.now() + (this.config.SHUTDOWN_TIMEOUT_MS * 2) / 3;
    while (this.held.size > 0 && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
    this.lines.end();
    await this.presence.end(this.held.size > 0 || this.inDoubt.size > 0);
  }

  /** Something may be due now; `urgent`, of someone who waits for nobody else. */
  wake(urgent = false): void {
    this.woken = true;
    if (urgent) this.urgent = true;
    if (urgent || !this.isPacing) this.wakeUp?.();
  }

  private async run(): Promise<void> {
    while (this.running && !this.health.draining) {
      this.woken = this.urgent = false;
      let claimed = 0;
      try {
        for (const id of this.inDoubt) await this.giveBack(id);
        claimed = await this.claim();
      } catch (error) {
        if (!isDatabaseAway(error)) this.log.error({ err: error }, 'claiming deliveries failed');
        await this.pause(IDLE_POLL_MS, true);
      }
      if (!this.urgent && (!this.woken || claimed > 0)) await this.pause(claimed > 0 ? BUSY_PAUSE_MS : this.tokenMs, claimed > 0);
      if (claimed === 0) this.tokenMs = Math.min(IDLE_POLL_MS, 2 * this.tokenMs);
    }
  }

  /** Waits, `pacing` unless something urgent comes, otherwise until woken. */
  private async pause(ms: number, pacing: boolean): Promise<void> {
    this.isPacing = pacing;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.wakeUp = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.isPacing = false;
    this.wakeUp = undefined;
  }

  private async claim(): Promise<number> {
    const free = this.config.DELIVERY_CONCURRENCY - this.flying;
    // Outcomes that wait for a slow database fill memory, so they hold claiming up in the end.
    if (free <= 0 || this.held.size >= 4 * this.config.DELIVERY_CONCURRENCY) return 0;
    const dispatcherId = this.presence.id;
    try {
      const claims = await claimDue(this.hot, dispatcherId, new Date(this.clock.now()), this.room(free));
      this.noteStarts(claims);
      const endpoints = await this.endpoints.load(new Map(claims.map((claim) => [claim.webhook_id, claim.webhook_version])));
      for (const claim of claims) {
        this.held.set(claim, dispatcherId);
        this.count(claim, 1);
      }
      void this.startAll(claims, endpoints, dispatcherId);
      for (const { rateLimit } of endpoints.values()) if (rateLimit) this.tokenMs = Math.min(this.tokenMs, Math.max(BUSY_PAUSE_MS, 1_000 / rateLimit.per_second));
      return claims.length;
    } catch (error) {
      this.inDoubt.add(dispatcherId);
      throw error;
    }
  }

  /** A hundred take 10 ms to sign and send. Meanwhile the next claim may come for somebody who waits for nobody else. */
  private async startAll(claims: Claim[], endpoints: Map<string, Endpoint>, dispatcherId: string): Promise<void> {
    const turns = new Turns();
    for (const claim of claims) {
      void this.deliver(claim, endpoints.get(claim.webhook_id), dispatcherId);
      if (turns.isOver) await turns.next();
    }
  }

  /** Counts the attempts of each tenant, and what others had to wait for theirs. */
  private noteStarts(claims: Claim[]): void {
    const now = performance.now();
    for (const [webhookId, until] of this.inBulk) if (until < now) this.inBulk.delete(webhookId);
    for (const { webhook_id, tenant_id, attempt, trigger, event_recorded_at, order_key, is_limited } of claims) {
      if (this.bursts.count(tenant_id, 1, now)) this.inBulk.set(webhook_id, now + BULK_MS);
      if (this.inBulk.has(webhook_id)) this.courtesy.noteStart(tenant_id);
      const waitedMs = this.clock.now() - event_recorded_at.getTime();
      const isOurDoing = attempt === 1 && trigger === 'event' && order_key === null && !is_limited && waitedMs < HELD_MS;
      if (isOurDoing && !this.inBulk.has(webhook_id)) this.courtesy.noteDelay(tenant_id, 'start', waitedMs);
    }
  }

  private room(free: number): Room {
    const perWebhook = Math.min(this.config.DELIVERY_CONCURRENCY_PER_WEBHOOK, Math.max(1, free >> 1));
    const webhooks = new Map([...this.inFlight].map(([id, inFlight]) => [id, { inFlight, most: perWebhook }]));
    const limit = (id: string, most: (inFlight: number) => number): void => {
      const { inFlight, most: before } = webhooks.get(id) ?? { inFlight: 0, most: perWebhook };
      webhooks.set(id, { inFlight, most: Math.min(before, most(inFlight)) });
    };
    for (const [id, most] of this.flows.reducedLimits(performance.now())) limit(id, () => most);
    const startable = Math.ceil(this.courtesy.startable / this.inBulk.size);
    if (Number.isFinite(startable)) for (const id of this.inBulk.keys()) limit(id, (inFlight) => inFlight + startable);
    return { free, perWebhook, perTenant: [4 * free, Math.ceil(this.config.DELIVERY_CONCURRENCY * TENANT_SHARE)], webhooks, tenants: this.inFlightOfTenant };
  }

  /** Gives back what a claim took that did not come to its end. Runs in the loop, so no other claim is under way. */
  private async giveBack(dispatcherId: string): Promise<void> {
    const held = [...this.held].filter(([, id]) => id === dispatcherId).map(([claim]) => claim.delivery_id);
    const count = await this.db.transaction((tx) => giveBackUnknown(tx, dispatcherId, held));
    this.inDoubt.delete(dispatcherId);
    if (count > 0) this.log.warn({ deliveries: count }, 'gave back claims whose answer was lost');
  }

  private async deliver(claim: Claim, endpoint: Endpoint | undefined, dispatcherId: string): Promise<void> {
    try {
      const settlement = await this.attempt(claim, endpoint, dispatcherId).finally(() => this.leaveSlot(claim));
      await this.settler.settle(settlement);
      this.held.delete(claim);
    } catch (error) {
      // Nothing expected comes here. The delivery stays held: given back it would be sent again at once, and again.
      this.log.error({ err: error, delivery_id: claim.delivery_id }, 'an attempt could not be recorded; the delivery waits for the end of this process');
    }
  }

  /** A slot of its webhook and tenant is taken until the receiver has answered, not until that is recorded. */
  private leaveSlot(claim: Claim): void {
    this.count(claim, -1);
    this.wake();
  }

  private count({ webhook_id, tenant_id }: Claim, by: 1 | -1): void {
    this.flying += by;
    for (const [counts, id] of [[this.inFlight, webhook_id], [this.inFlightOfTenant, tenant_id]] as const) {
      const now = (counts.get(id) ?? 0) + by;
      if (now > 0) counts.set(id, now);
      else counts.delete(id);
    }
  }

  private async attempt(claim: Claim, endpoint: Endpoint | undefined, dispatcherId: string): Promise<Settlement> {
    if (!endpoint || (endpoint.keys.length === 0 && !endpoint.fault)) {
      // Deleted since it was claimed: its secrets are gone.
      return { claim, dispatcherId, status: 'cancelled', settledAt: new Date(this.clock.now()) };
    }
    const { event_type, occurred_at, data, metadata } = claim;
    if (event_type === null || occurred_at === null || data === null || metadata === null) {
      return { claim, dispatcherId, status: 'dead', settledAt: new Date(this.clock.now()), reason: 'The event is past its retention and is no longer stored.' };
    }
    const startedAt = new Date(this.clock.now());
    const { exchange, record } = await this.attempts.make(endpoint, claim.delivery_id, { event_id: claim.event_id, event_type, occurred_at, data, metadata }).catch((error: unknown) => {
      // A bug. It must cost this attempt, not hold the delivery for as long as the process lives.
      this.log.error({ err: error, delivery_id: claim.delivery_id, webhook_id: claim.webhook_id }, 'an attempt broke on our side');
      return unsent(startedAt, 'local', 'This installation failed to make the attempt; its log says why.');
    });
    const settledAt = new Date(this.clock.now());
    const now = settledAt.getTime();
    const { responseStatus: status, errorClass, error } = record;
    const free = isFreeProbe(claim, status, errorClass);
    const verdict = this.judge(claim, exchange, endpoint, now, free);
    const inVain = await this.flows.note(claim, endpoint.disableAfterHours, { succeeded: !errorClass, status, errorClass, error, retryAfterMs: retryAfterOf(exchange, now) }, now);
    this.log.info({
      delivery_id: claim.delivery_id, event_id: claim.event_id, webhook_id: claim.webhook_id, tenant_id: claim.tenant_id, attempt: claim.attempt, trigger: claim.trigger,
      response_status: record.responseStatus, error_class: record.errorClass, duration_ms: record.durationMs, decision: verdict.kind,
    }, 'attempt');
    const base = { claim, dispatcherId, attempt: record, settledAt, uncounted: free, blocks: endpoint.onExhausted === 'block' };
    const disable = (verdict.kind !== 'retry' && verdict.disable) || inVain;
    // Changed since, it has not been: what was wrong may be mended, so the delivery goes on.
    const disabled = disable !== undefined && (await this.settler.disable(claim, disable));
    if (verdict.kind === 'retry' && disabled) return { ...base, status: 'dead', reason: `The webhook was disabled: ${disable}` };
    if (verdict.kind === 'retry') return { ...base, status: 'retrying', nextAttemptAt: new Date(now + verdict.waitMs) };
    if (verdict.kind === 'dead') return { ...base, status: 'dead', reason: verdict.reason };
    this.metrics.deliverySeconds.observe((now - claim.event_recorded_at.getTime()) / 1000);
    return { ...base, status: 'succeeded' };
  }

  /**
   * A probe is the circuit's attempt, not the delivery's: when it fails, the delivery goes on waiting with the retries it had, and
   * comes out with the others when the circuit closes, not minutes later by its own schedule. (A Retry-After holds them all.)
   */
  private judge(claim: Claim, exchange: Exchange, { policy }: Endpoint, now: number, free: boolean): Verdict {
    const verdict = judge(exchange, policy, claim.attempt - claim.round_start + 1, now);
    const goesOn = verdict.kind === 'retry' || (verdict.kind === 'dead' && verdict.exhausted);
    return free && goesOn ? { kind: 'retry', waitMs: PROBED_WAIT_MS } : verdict;
  }

  /** Ends what still waits for webhooks that were deleted or disabled: by turns, a chunk of each, however much it is. */
  @Interval(1_000)
  async endLeftOvers(): Promise<void> {
    if (this.ending) return;
    this.ending = true;
    try {
      for (let more = true; more && this.running; ) {
        more = false;
        for (const { webhook_id: webhookId, deleted, disabled_reason } of await endedWebhooksWithWaiting(this.hot)) {
          const reason = `The webhook was disabled: ${disabled_reason}`;
          const ended = await endWaiting(this.hot, { webhookId, status: deleted ? 'cancelled' : 'dead', reason, at: new Date(this.clock.now()) });
          if (ended === ENDED_AT_ONCE) more = true;
        }
      }
    } catch (error) {
      if (!isDatabaseAway(error)) this.log.error({ err: error }, 'ending what waits for ended webhooks failed');
    } finally {
      this.ending = false;
    }
  }
}
