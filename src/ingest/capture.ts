import { Inject, Injectable } from '@nestjs/common';
import { type Announce, type Appended, Events, type NewEvent, type Publish } from '../events/index.js';
import { afterReading, atOnce, Bursts, Config, Courtesy, HotLane, type InParts, isPassing, isRefusedData, Jobs, lacksPartition, type Lane, LostCommit, Metrics, MicroBatch, Outage, Problem, Spool, SpoolFull, uuidv7 } from '../platform/index.js';
import { Ledger } from './dedup/ledger.js';
import { type InboundRequest, isInbound, type Received } from './inbound.js';
import { type ObjectsNoticed, objectNoticed } from './ingest.topics.js';
import { encode } from './spool/spooled.js';

/** Events per transaction, and transactions at once, of one process: docs/benchmarks.md has the curve. */
const BATCH_EVENTS = 1_000;
const BATCHES_IN_FLIGHT = 2;
const BATCH_PACE_MS = 10;
/** Requests that are worth a transaction: under full load Postgres has one half of the callers while the process reads the other. */
const ENOUGH_REQUESTS = 32;
/** Bytes that weigh as much as an event: a batch of the largest bodies must not be a thousand of them. */
const BYTES_PER_EVENT = 16 * 1024;

/** Events of one tenant that pass at once, and per second, before it counts as publishing in bulk. */
const BURST = 500;
const BURST_PER_SECOND = 1_000;

/** The one way into the log for what comes from outside: gathers what arrives at the same time into one transaction. */
@Injectable()
export class Capture {
  private readonly bursts = new Bursts(BURST, BURST_PER_SECOND);
  /** When a transaction last committed. */
  private committedAt = Number.NEGATIVE_INFINITY;
  private readonly atOnce = this.batch((publishes) => this.flush(publishes, 'at once'));
  private readonly inBulk = this.batch((publishes) => this.inTurn(publishes));

  constructor(
    private readonly hot: HotLane,
    private readonly events: Events,
    private readonly ledger: Ledger,
    private readonly jobs: Jobs,
    private readonly courtesy: Courtesy,
    private readonly metrics: Metrics,
    private readonly config: Config,
    private readonly outage: Outage,
    @Inject(Spool) private readonly spool: Spool | undefined,
  ) {}

  /**
   * Appends events and announces them. Resolves after the commit, with one answer per event in their order; callers that
   * come at the same time share a transaction. While Postgres does not answer, it resolves when the events are safe in the
   * spool, every one of them as new. Throws 503 when there is no room for them, or no spool: nothing was stored then, unless
   * the connection broke during the very commit.
   */
  async publish(tenantId: string, events: NewEvent[]): Promise<Appended[]> {
    return events.length === 0 ? [] : this.add({ tenantId, events });
  }

  /** The same for a verified request to a source: what its provider has sent before is answered with the event that it became. */
  async receive(request: InboundRequest): Promise<Received[]> {
    return request.events.length === 0 ? [] : this.add(request);
  }

  private async add(publish: Publish): Promise<Received[]> {
    const started = performance.now();
    const isBulk = this.bursts.count(publish.tenantId, publish.events.length, started);
    const answer = await (isBulk ? this.inBulk : this.atOnce).add(publish, weightOf(publish));
    if (!isBulk) this.courtesy.noteDelay(publish.tenantId, 'append', performance.now() - started);
    if (answer instanceof Problem) throw answer;
    return answer;
  }

  /**
   * What everything that comes in waits at least for its transaction, in milliseconds. While bulk and others share the process,
   * bulk is meant to wait. With a spool, a Postgres that stands still is no reason to wait longer: the spool will take it all.
   */
  get delayMs(): number {
    const delayOf = (batch: MicroBatch<Publish, Received[] | Problem>): number => batch.delayMs - (this.spool ? Math.min(batch.standingMs, this.config.INGEST_SPOOL_AFTER_MS) : 0);
    return Math.max(0, delayOf(this.atOnce), this.courtesy.holdsBack ? 0 : delayOf(this.inBulk));
  }

  /** Has whoever waits for longer than `ms` be told `reason`: nothing of theirs is stored. */
  giveUp(ms: number, reason: () => Problem): void {
    this.atOnce.giveUp(ms, reason);
    this.inBulk.giveUp(ms, reason);
  }

  private batch(flush: (publishes: Publish[]) => Promise<(Received[] | Problem)[]>): MicroBatch<Publish, Received[] | Problem> {
    return new MicroBatch(flush, { maxWeight: BATCH_EVENTS, inFlight: BATCHES_IN_FLIGHT, paceMs: BATCH_PACE_MS, enough: ENOUGH_REQUESTS, fairBy: ({ tenantId }) => tenantId });
  }

  /** Flushes what is in bulk when it is its turn, or at once when the spool is to have it. */
  private async inTurn(publishes: Publish[]): Promise<(Received[] | Problem)[]> {
    const { promise: hurry, resolve } = Promise.withResolvers<void>();
    if (this.spool && this.outage.isOn) resolve();
    this.outage.on('begin', resolve);
    try {
      return await this.courtesy.run(new Set(publishes.map(({ tenantId }) => tenantId)), (inParts) => this.flush(publishes, 'in bulk', inParts), this.spool && hurry);
    } finally {
      this.outage.off('begin', resolve);
    }
  }

  private async flush(publishes: Publish[], announce: Announce, inParts = atOnce): Promise<(Received[] | Problem)[]> {
    const recordedAt = this.events.recordingTime();
    this.giveIds(publishes, recordedAt);
    if (this.spool && this.outage.isOn) return this.keep(this.spool, publishes, recordedAt);
    try {
      return await this.commit(recordedAt, publishes, announce, inParts);
    } catch (error) {
      // Only a refusal of the rows themselves is worth a second try here; after anything else they may already be stored.
      if (isRefusedData(error)) {
        if (publishes.length === 1) return [new Problem('internal', 'The event could not be stored. The cause has been logged under the request id.', { cause: error })];
        // Something in here is refused by Postgres: halve until only its own publisher is told.
        const middle = publishes.length >> 1;
        return [...(await this.flush(publishes.slice(0, middle), announce)), ...(await this.flush(publishes.slice(middle), announce))];
      }
      if (!this.spool || !(isPassing(error) || error instanceof TooLate || error instanceof LostCommit)) throw error;
      // Others commit just now: Postgres is there, and it is only this batch that waits for somebody. For a day without a place it is made at the end of an outage.
      if (!lacksPartition(error) && performance.now() - this.committedAt < this.config.INGEST_SPOOL_AFTER_MS / 2) this.outage.suspect();
      else this.outage.begin(error);
      return this.keep(this.spool, publishes, recordedAt, error instanceof LostCommit ? error.xid : undefined);
    }
  }

  private async commit(recordedAt: Date, publishes: Publish[], announce: Announce, inParts: InParts): Promise<Received[][]> {
    const started = performance.now();
    const answers = await this.inTime((signal, again) => this.hot.abortable(signal, (lane) => this.append(lane, recordedAt, publishes, announce, (items, part) => inParts(items, (some) => {
      again();
      return part(some);
    }))));
    this.committedAt = performance.now();
    this.metrics.appendSeconds.observe((this.committedAt - started) / 1000);
    const total = answers.reduce((sum, appended) => sum + appended.length, 0);
    const duplicates = answers.reduce((sum, appended) => sum + appended.filter(({ duplicate }) => duplicate).length, 0);
    this.metrics.appendBatch.observe(total);
    this.metrics.eventsAppended.inc(total - duplicates);
    this.metrics.eventsDuplicate.inc(duplicates);
    return answers;
  }

  /**
   * Where there is a spool, an append that takes too long is cut off, and so is one that an outage begins under. `again` has the
   * time begin anew: rests between parts are our own affair.
   */
  private async inTime<T>(work: (signal: AbortSignal, again: () => void) => Promise<T>): Promise<T> {
    const ending = new AbortController();
    if (!this.spool) return work(ending.signal, () => {});
    const giveUp = (): void => ending.abort(new TooLate('Postgres does not commit in time'));
    let callOff: (() => void) | undefined;
    const again = (): void => {
      callOff?.();
      callOff = afterReading(this.config.INGEST_SPOOL_AFTER_MS, giveUp);
    };
    again();
    this.outage.on('begin', giveUp);
    try {
      return await work(ending.signal, again);
    } finally {
      callOff?.();
      this.outage.off('begin', giveUp);
    }
  }

  private async keep(spool: Spool, publishes: Publish[], recordedAt: Date, xid?: string): Promise<(Received[] | Problem)[]> {
    const kept = await Promise.allSettled(publishes.map((publish) => spool.append([encode({ publish: forLater(publish, recordedAt), xid })])));
    return kept.map((outcome, index) => {
      const { events } = publishes[index]!;
      if (outcome.status === 'fulfilled') {
        this.metrics.eventsSpooled.inc(events.length);
        return events.map(({ eventId }) => ({ event_id: eventId!, duplicate: false }));
      }
      if (!(outcome.reason instanceof SpoolFull)) throw outcome.reason;
      return new Problem('unavailable', 'The database cannot be reached, and there is no room left to keep events until it is back.', { retryAfterSeconds: 5, cause: outcome.reason });
    });
  }

  /**
   * Gives every event its id before the transaction begins, so that one whose commit was not answered can be sent again under
   * the same id (then as a chosen one), and is found if it was stored after all.
   */
  private giveIds(publishes: Publish[], recordedAt: Date): void {
    for (const { events } of publishes) {
      for (const event of events) if (event.eventId === undefined || event.ours) Object.assign(event, { eventId: uuidv7(recordedAt.getTime()), ours: true });
    }
  }

  /** The whole of a transaction; the events have their ids. What the ledger of providers' ids knows is not appended again. */
  async append(lane: Lane, recordedAt: Date, publishes: Publish[], announce: Announce, inParts = atOnce): Promise<Received[][]> {
    const requests = publishes.filter(isInbound);
    const unless = this.ledger.unlessKnown(recordedAt, requests);
    // What the ledger locks must not stay locked while a tenant in bulk rests between parts.
    const { appended, held } = unless ? await this.events.appendUnless(lane, recordedAt, publishes, announce, unless) : { appended: await this.events.appendAll(lane, recordedAt, publishes, announce, inParts), held: [] };
    const known = await this.ledger.resolve(lane, recordedAt, requests, held);
    await this.announceObjects(lane, publishes, appended);
    return known.size === 0 ? appended : appended.map((answers) => answers.map((answer) => known.get(answer.event_id) ?? answer));
  }

  private async announceObjects(lane: Lane, publishes: Publish[], appended: Received[][]): Promise<void> {
    const bySource = new Map<string, ObjectsNoticed>();
    publishes.forEach((publish, at) => {
      if (!isInbound(publish)) return;
      const { tenantId, sourceId, events } = publish;
      const objects = events.flatMap(({ object }, index) => (object && !appended[at]![index]!.duplicate ? [object] : []));
      if (objects.length === 0) return;
      if (!bySource.has(sourceId)) bySource.set(sourceId, { tenant_id: tenantId, source_id: sourceId, objects: [] });
      bySource.get(sourceId)!.objects.push(...objects);
    });
    await Promise.all([...bySource.values()].map((noticed) => this.jobs.publish(lane, objectNoticed, noticed)));
  }
}

/** What counts against the size of a transaction: the events, or their bytes where they are large. */
function weightOf({ events }: Publish): number {
  const bytes = events.reduce((sum, { data, metadata, body }) => sum + data.length + metadata.length + (body?.length ?? 0), 0);
  return Math.max(events.length, Math.ceil(bytes / BYTES_PER_EVENT));
}

/** Postgres did not commit within `INGEST_SPOOL_AFTER_MS`. */
class TooLate extends Error {}

/** The same events for another try: what the first has stored after all will be found by the ids, those that we gave among them. */
function forLater(publish: Publish, recordedAt: Date): Publish {
  return { ...publish, events: publish.events.map((event) => ({ ...event, ours: false, occurredAt: event.occurredAt ?? recordedAt.getTime() })) };
}
