import { Injectable } from '@nestjs/common';
import { Clock, HotLane, isRefusedData, Jobs, type Lane, Metrics, MicroBatch, Problem, type Tx, uuidv7 } from '../platform/index.js';
import { type AppendRow, appendRows, type EventFilter, type EventPlace, type EventRow, findEvent, listEvents, locateEvents } from './events.sql.js';
import { Bursts } from './bursts.js';
import { eventsAppended, eventsAppendedInBulk } from './events.topics.js';
import type { NewEvent } from './publish.js';

/** What became of a published event. */
export interface Appended {
  event_id: string;
  duplicate: boolean;
}

interface Publish {
  tenantId: string;
  events: NewEvent[];
}

/** Events per transaction, and transactions at once, of one process: docs/benchmarks.md has the curve. */
const BATCH_EVENTS = 1_000;
const BATCHES_IN_FLIGHT = 2;
const BATCH_PACE_MS = 10;

/** The append-only log. */
@Injectable()
export class Events {
  private readonly batch = new MicroBatch<Publish, Appended[] | Problem>((publishes) => this.flush(publishes), {
    maxWeight: BATCH_EVENTS, inFlight: BATCHES_IN_FLIGHT, paceMs: BATCH_PACE_MS, fairBy: ({ tenantId }) => tenantId,
  });
  private readonly bursts = new Bursts();
  private lastRecorded = 0;

  constructor(
    private readonly hot: HotLane,
    private readonly jobs: Jobs,
    private readonly clock: Clock,
    private readonly metrics: Metrics,
  ) {}

  /**
   * Appends events and announces them. Resolves after the commit, with one answer per event in their order; callers that
   * come at the same time share a transaction. Throws 503 when the database is away: nothing was stored then, unless the
   * connection broke during the very commit.
   */
  async publish(tenantId: string, events: NewEvent[]): Promise<Appended[]> {
    if (events.length === 0) return [];
    const answer = await this.batch.add({ tenantId, events }, events.length);
    if (answer instanceof Problem) throw answer;
    return answer;
  }

  /** Appends in the caller's transaction. With `announce: false` nobody downstream hears of them. */
  async append(lane: Lane, tenantId: string, events: NewEvent[], { announce = true } = {}): Promise<EventRow[]> {
    const recordedAt = this.recordingTime();
    const { rows } = await this.write(lane, recordedAt, [{ tenantId, events }], announce);
    return rows.map((row) => ({
      tenant_id: tenantId, event_id: row.eventId, event_type: row.eventType, recorded_at: recordedAt, occurred_at: new Date(row.occurredAt),
      data: row.data, metadata: row.metadata, source_id: null,
    }));
  }

  async find(tx: Tx, tenantId: string, eventId: string): Promise<EventRow> {
    const row = await findEvent(tx, tenantId, eventId);
    if (!row) throw Problem.notFound('event');
    return row;
  }

  /** Where these events stand in the log; unknown ids are missing from the answer. */
  locate(tx: Tx, tenantId: string, eventIds: string[]): Promise<EventPlace[]> {
    return locateEvents(tx, tenantId, eventIds);
  }

  list(tx: Tx, tenantId: string, filter: EventFilter, after: [string, string] | undefined, limit: number): Promise<EventRow[]> {
    return listEvents(tx, tenantId, filter, after, limit);
  }

  private async flush(publishes: Publish[]): Promise<(Appended[] | Problem)[]> {
    const started = performance.now();
    const recordedAt = this.recordingTime();
    try {
      const { rows, fresh } = await this.hot.transaction((lane) => this.write(lane, recordedAt, publishes, true));
      this.metrics.appendSeconds.observe((performance.now() - started) / 1000);
      this.metrics.appendBatch.observe(rows.length);
      let at = 0;
      const answers = publishes.map(({ events }) => events.map(() => ({ event_id: rows[at]!.eventId, duplicate: !fresh[at++]! })));
      const appended = fresh.filter(Boolean).length;
      this.metrics.eventsAppended.inc(appended);
      this.metrics.eventsDuplicate.inc(rows.length - appended);
      return answers;
    } catch (error) {
      // Only a refusal of the rows themselves is worth a second try; after anything else they may already be stored.
      if (!isRefusedData(error)) throw error;
      if (publishes.length === 1) return [new Problem('internal', 'The event could not be stored. The cause has been logged under the request id.', { cause: error })];
      // Something in here is refused by Postgres: halve until only its own publisher is told.
      const middle = publishes.length >> 1;
      return [...(await this.flush(publishes.slice(0, middle))), ...(await this.flush(publishes.slice(middle)))];
    }
  }

  private async write(lane: Lane, recordedAt: Date, publishes: Publish[], announce: boolean): Promise<{ rows: AppendRow[]; fresh: boolean[] }> {
    const ms = recordedAt.getTime();
    const rows = publishes.flatMap(({ tenantId, events }) => events.map((event): AppendRow => ({
      tenantId,
      // The log finds an event of ours by the time in its id, so that is the time of recording.
      eventId: event.eventId ?? uuidv7(ms),
      chosen: event.eventId !== undefined,
      eventType: event.eventType,
      occurredAt: event.occurredAt ?? ms,
      data: event.data,
      metadata: event.metadata,
    })));
    // An id that stands twice in this batch counts once.
    const seen = new Set<string>();
    const first = rows.map((row) => {
      if (!row.chosen) return true;
      const key = `${row.tenantId}/${row.eventId}`;
      return !seen.has(key) && Boolean(seen.add(key));
    });
    const stored = rows.filter((_, index) => first[index]);
    if (!rows.some(({ chosen }) => chosen)) {
      // Nothing depends on the answer, so the announcement goes out with the rows.
      await Promise.all([appendRows(lane, recordedAt, stored), announce && this.announce(lane, recordedAt, rows)]);
      return { rows, fresh: first };
    }
    const claimed = await appendRows(lane, recordedAt, stored);
    const fresh = rows.map((row, index) => first[index]! && (!row.chosen || claimed.has(`${row.tenantId}/${row.eventId}`)));
    if (announce) await this.announce(lane, recordedAt, rows.filter((_, index) => fresh[index]));
    return { rows, fresh };
  }

  private async announce(lane: Lane, recordedAt: Date, rows: AppendRow[]): Promise<void> {
    const tenants: Record<string, string[]> = {};
    for (const { tenantId, eventId } of rows) (tenants[tenantId] ??= []).push(eventId);
    const steady: typeof tenants = {};
    const order = recordedAt.toISOString();
    const sent: Promise<void>[] = [];
    for (const [tenantId, ids] of Object.entries(tenants)) {
      if (!this.bursts.count(tenantId, ids.length, performance.now())) steady[tenantId] = ids;
      // A job each, so that nobody waits for what another publishes in bulk, not even where order counts.
      else sent.push(this.jobs.publish(lane, eventsAppendedInBulk, { recorded_at: order, tenants: { [tenantId]: ids } }, { order, owner: tenantId }));
    }
    if (Object.keys(steady).length > 0) sent.push(this.jobs.publish(lane, eventsAppended, { recorded_at: order, tenants: steady }, { order }));
    await Promise.all(sent);
  }

  /** Later than every time given before, so that the log has one order. */
  private recordingTime(): Date {
    this.lastRecorded = Math.max(this.clock.now(), this.lastRecorded + 1);
    return new Date(this.lastRecorded);
  }
}
