import { type BeforeApplicationShutdown, Injectable } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { Clock, Config, HotLane, isDatabaseAway, type Lane, Log, Metrics, uuidv7 } from '../../platform/index.js';
import { DispatchLoop } from '../dispatch/dispatch-loop.js';
import { matches } from '../fan-out/match.js';
import { type Chosen as Sifted, Sieve } from '../fan-out/sieve.js';
import { Lines } from '../order/lines.js';
import { fannedOutBefore, type Line } from '../order/lines.sql.js';
import { type HeldResend, insertReplays, lockDue, type LogEvent, nextPart, type Part, type Passed, readLog, readNamed, recordFailure, recordPart, recordResend, redriveChunk, rest } from './advance.sql.js';
import { afterChunk, CHUNK, chunkOf, type Pace, paceOf, shareOf } from './pace.js';
import { oldestKept } from './selection.js';

/** How often somebody looks for resends to advance, and how long one rests that has no room in the queue. */
const LOOK_MS = 250;
/** After a failure of ours that is not the database's absence: how long until the next try, and how many make the resend fail. */
const FAILED_REST_MS = 5_000;
const MAX_FAILURES = 10;
/** An event this old is committed, and the job of its fan-out with it. */
const SETTLED_MS = 5_000;

interface Chunk {
  done: number;
  passed: Passed;
  end: boolean;
  /** Lines of an ordered webhook that have grown. */
  lines: Line[];
}

/**
 * Advances resends, each by one chunk per transaction: it holds the resend's row, moves at most a thousand rows of one part,
 * and moves cursor and counts with them. So a crash at any point loses the chunk under way and nothing else, and of several
 * processes one advances a resend at a time.
 *
 * Not a pg-boss job: a killed worker's would be back after its heartbeat, ten seconds later, while a row lock is free at once;
 * and pace, pause and cancellation are states of the row, which a job would have to look up anyway.
 */
@Injectable()
export class ResendLoop implements BeforeApplicationShutdown {
  private running: Promise<void> | undefined;
  private again = false;
  private closed = false;

  constructor(
    private readonly hot: HotLane,
    private readonly clock: Clock,
    private readonly config: Config,
    private readonly log: Log,
    private readonly metrics: Metrics,
    private readonly loop: DispatchLoop,
    private readonly sieve: Sieve,
    private readonly lines: Lines,
  ) {}

  /** Something may be to be advanced. */
  @Interval(LOOK_MS)
  wake(): void {
    if (!this.config.runsWorkers || this.closed) return;
    this.again = true;
    this.running ??= this.run().finally(() => (this.running = undefined));
  }

  /** Lets the chunk under way end. */
  async beforeApplicationShutdown(): Promise<void> {
    this.closed = true;
    await this.running;
  }

  private async run(): Promise<void> {
    while (this.again && !this.closed) {
      this.again = false;
      while (!this.closed && (await this.advance()));
    }
  }

  /** One chunk of one resend. False when none is due, or the database is away. */
  private async advance(): Promise<boolean> {
    let held: HeldResend | undefined;
    try {
      const grown = await this.hot.transaction(async (lane) => {
        const now = this.clock.now();
        held = await lockDue(lane, new Date(now));
        return held && this.advanceHeld(lane, held, now);
      });
      if (!grown) return false;
      if (grown.length > 0) await this.lines.advance(grown);
      this.loop.wake();
      return true;
    } catch (error) {
      if (isDatabaseAway(error)) return false;
      this.log.error({ err: error, resend_id: held?.resend_id }, 'advancing a resend failed');
      if (held) await this.noteFailure(held, error as Error);
      return false;
    }
  }

  /** Answers the lines of an ordered webhook that have grown. */
  private async advanceHeld(lane: Lane, held: HeldResend, now: number): Promise<Line[]> {
    const { resend_id, rate_per_second: rate } = held;
    const at = new Date(now);
    if (held.open_parts === 0) {
      this.tell(held, await recordResend(lane, resend_id, at, at));
      return [];
    }
    const part = await nextPart(lane, resend_id, shareOf(rate, held.open_parts));
    if (!part) {
      await rest(lane, resend_id, new Date(now + LOOK_MS));
      return [];
    }
    const ended = part.deleted ? 'A webhook was deleted.' : part.disabled_reason === null ? undefined : `A webhook was disabled: ${part.disabled_reason}`;
    if (ended) {
      await recordPart(lane, resend_id, part, 0, { time: null, id: null }, at, true, ended);
      this.tell(held, await recordResend(lane, resend_id, at, held.advance_at));
      return [];
    }
    const pace = paceOf(rate, held.advance_at.getTime(), now);
    const limit = chunkOf(rate, part.room);
    const { done, passed, end, lines } = await (part.step === 'letters' ? this.redrive(lane, held, part, limit, pace, now) : this.replay(lane, held, part, limit, pace, now));
    await recordPart(lane, resend_id, part, done, passed, at, end);
    // Nothing passed and no end: what is to come has not settled.
    const next = passed.time || end ? afterChunk(pace, done) : now + LOOK_MS;
    this.tell(held, await recordResend(lane, resend_id, at, new Date(next)));
    return lines;
  }

  private async redrive(lane: Lane, held: HeldResend, part: Part, limit: number, pace: Pace, now: number): Promise<Chunk> {
    const since = held.selection.since === undefined ? undefined : new Date(held.selection.since);
    const { taken, passed, end, keys } = await redriveChunk(lane, held, part, {
      after: { time: part.cursor_time, id: part.cursor_id, position: part.cursor_position }, until: held.created_at, limit, pace, oldestKept: oldestKept(now, this.config.EVENT_RETENTION_DAYS), unrecoveredSince: since,
    });
    return { done: taken, passed, end, lines: keys.map((orderKey) => ({ webhookId: part.webhook_id, orderKey })) };
  }

  private async replay(lane: Lane, held: HeldResend, part: Part, limit: number, pace: Pace, now: number): Promise<Chunk> {
    const { selection, kind } = held;
    const page = { webhookId: part.webhook_id, after: { time: part.cursor_time, id: part.cursor_id }, limit: CHUNK, withDelivered: kind === 'recover' };
    const to = Date.parse(selection.to!);
    const until = kind === 'recover' ? Math.min(to, await this.settledUntil(lane, held.tenant_id, now)) : to;
    const seen = selection.places ? await readNamed(lane, held.tenant_id, page, selection.places) : await readLog(lane, held.tenant_id, page, new Date(selection.from!), new Date(until));
    const chosen: LogEvent[] = [];
    let passed: LogEvent | undefined;
    for (const event of seen) {
      if (chosen.length === limit) break;
      passed = event;
      if (wants(held, part, event)) chosen.push(event);
    }
    const replays = (await this.sift(lane, held, part, chosen)).map((sifted) => ({ ...sifted, deliveryId: uuidv7(now) }));
    if (replays.length > 0) {
      await insertReplays(lane, held, part, new Date(now), pace, replays);
      this.metrics.deliveriesCreated.inc(replays.length);
    }
    return {
      done: replays.length, passed: { time: passed?.recorded_at ?? null, id: passed?.event_id ?? null }, end: passed === seen.at(-1) && seen.length < CHUNK && until === to,
      lines: replays.flatMap(({ orderKey }) => (orderKey === null ? [] : [{ webhookId: part.webhook_id, orderKey }])),
    };
  }

  /** Those that the webhook's filter lets through (named events all are), with the lines they stand in. */
  private async sift(lane: Lane, { tenant_id, selection }: HeldResend, { webhook_id, version, has_filter, ordered, order_key }: Part, events: LogEvent[]): Promise<{ event: LogEvent; orderKey: string | null }[]> {
    const target = { webhook_id, version, events: [], approved: null, has_filter: has_filter && !selection.places, ordered, order_key };
    const sifted = events.map((event): Sifted & { event: LogEvent } => ({ event: { ...event, about: null }, targets: [target], orderKeys: new Map() }));
    for (const [recordedAt, some] of Map.groupBy(sifted, ({ event }) => event.recorded_at.getTime())) await this.sieve.sift(lane, tenant_id, new Date(recordedAt), some, new Map());
    return sifted.filter(({ targets }) => targets.length > 0).map(({ event, orderKeys }) => ({ event, orderKey: ordered ? (orderKeys.get(webhook_id) ?? '') : null }));
  }

  /**
   * Up to when every event is fanned out: until then "no delivery exists" is true for good. What is older than a few seconds is
   * committed together with its fan-out job, and what is older than the oldest of those that have not ended has been through.
   */
  private async settledUntil(lane: Lane, tenantId: string, now: number): Promise<number> {
    return Math.min(now - SETTLED_MS, (await fannedOutBefore(lane, [tenantId])).get(tenantId)?.getTime() ?? now);
  }

  private async noteFailure({ resend_id }: HeldResend, { message }: Error): Promise<void> {
    const now = this.clock.now();
    await recordFailure(this.hot, resend_id, `A chunk failed: ${message}`, new Date(now), new Date(now + FAILED_REST_MS), MAX_FAILURES).catch(() => {});
  }

  private tell({ resend_id, tenant_id, kind }: HeldResend, { status, done_count, skipped_count }: { status: string; done_count: number; skipped_count: number }): void {
    if (status !== 'running') this.log.info({ resend_id, tenant_id, kind, status, done_count, skipped_count }, 'resend');
  }
}

/**
 * Whether a resend sends an event that it comes by. Named ones it sends whatever the webhook's patterns say, unless they are news about the webhook
 * itself or not for its partner.
 */
function wants({ selection: { places, events = [], event_types } }: HeldResend, { approved }: Part, { event_type, own, test, delivered }: LogEvent): boolean {
  if (own || delivered) return false;
  if (approved && !matches(approved, event_type)) return false;
  return places !== undefined || (!test && matches(events, event_type) && (!event_types || matches(event_types, event_type)));
}
