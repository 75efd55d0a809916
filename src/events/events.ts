import { Injectable } from '@nestjs/common';
import { atOnce, Clock, Jobs, type Lane, Problem, type Tx, uuidv7 } from '../platform/index.js';
import { type AppendRow, appendRows, type EventBody, type EventFilter, type EventPlace, type EventRow, findEvent, findEventBody, type Held, listEvents, locateEvents, type Unless } from './events.sql.js';
import { eventsAppended, eventsAppendedInBulk } from './events.topics.js';
import type { NewEvent } from './publish.js';

/** What became of a published event. */
export interface Appended {
  event_id: string;
  duplicate: boolean;
}

/** Events of one tenant, to be appended together with others. */
export interface Publish {
  tenantId: string;
  events: NewEvent[];
}

/** How those downstream hear of events: at once, behind everybody who does not publish in bulk, or never. */
export type Announce = 'at once' | 'in bulk' | 'never';

interface Written {
  rows: AppendRow[];
  /** Whether each is stored now. */
  fresh: boolean[];
  held: readonly Held[];
}

/** The append-only log. */
@Injectable()
export class Events {
  private lastRecorded = 0;

  constructor(private readonly jobs: Jobs, private readonly clock: Clock) {}

  /**
   * Appends what several publishers sent, in the caller's transaction, all recorded at the same time (one from
   * {@link recordingTime}), and announces it, as part of a burst or not. One answer per event, in their order. `inParts` writes
   * them in several statements instead of one.
   */
  async appendAll(lane: Lane, recordedAt: Date, publishes: Publish[], announce: Announce, inParts = atOnce): Promise<Appended[][]> {
    return answersOf(publishes, await this.write(lane, recordedAt, publishes, announce, inParts));
  }

  /** The same in one statement, but for what another domain holds back: that is answered as a duplicate under the id it did not get. It may be announced all the same. */
  async appendUnless(lane: Lane, recordedAt: Date, publishes: Publish[], announce: Announce, unless: Unless): Promise<{ appended: Appended[][]; held: readonly Held[] }> {
    const written = await this.write(lane, recordedAt, publishes, announce, atOnce, unless);
    return { appended: answersOf(publishes, written), held: written.held };
  }

  /** Appends in the caller's transaction. Announced `never`, nobody downstream hears of them. */
  async append(lane: Lane, tenantId: string, events: NewEvent[], announce: Announce = 'at once'): Promise<EventRow[]> {
    const recordedAt = this.recordingTime();
    const { rows } = await this.write(lane, recordedAt, [{ tenantId, events }], announce);
    return rows.map((row) => ({
      tenant_id: tenantId, event_id: row.eventId, event_type: row.eventType, recorded_at: recordedAt, occurred_at: new Date(row.occurredAt),
      data: row.data, metadata: row.metadata, source_id: row.sourceId ?? null,
    }));
  }

  async find(tx: Tx, tenantId: string, eventId: string): Promise<EventRow> {
    const row = await findEvent(tx, tenantId, eventId);
    if (!row) throw Problem.notFound('event');
    return row;
  }

  /** The bytes that an event came in as. */
  async findBody(tx: Tx, tenantId: string, eventId: string): Promise<EventBody> {
    const found = await findEventBody(tx, tenantId, eventId);
    if (!found) throw Problem.notFound('event');
    return found;
  }

  /** Where these events stand in the log; unknown ids are missing from the answer. */
  locate(tx: Tx, tenantId: string, eventIds: string[]): Promise<EventPlace[]> {
    return locateEvents(tx, tenantId, eventIds);
  }

  list(tx: Tx, tenantId: string, filter: EventFilter, after: [string, string] | undefined, limit: number): Promise<EventRow[]> {
    return listEvents(tx, tenantId, filter, after, limit);
  }

  /** Later than every time given before, so that the log has one order. */
  recordingTime(): Date {
    this.lastRecorded = Math.max(this.clock.now(), this.lastRecorded + 1);
    return new Date(this.lastRecorded);
  }

  private async write(lane: Lane, recordedAt: Date, publishes: Publish[], announce: Announce, inParts = atOnce, unless?: Unless): Promise<Written> {
    const ms = recordedAt.getTime();
    const rows = publishes.flatMap(({ tenantId, events }) => events.map((event): AppendRow => ({
      tenantId,
      // The log finds an event of ours by the time in its id, so that is the time of recording.
      eventId: event.eventId ?? uuidv7(ms),
      chosen: event.eventId !== undefined && !event.ours,
      eventType: event.eventType,
      occurredAt: event.occurredAt ?? ms,
      data: event.data,
      metadata: event.metadata,
      sourceId: event.sourceId,
      body: event.body,
      contentType: event.contentType,
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
      // Nothing waits for the answer, so the announcement goes out with the rows; of those held back it says too much, for fan-out reads what is stored.
      const [outcomes] = await Promise.all([inParts(stored, (part) => appendRows(lane, recordedAt, part, unless)), this.announce(lane, recordedAt, rows, announce)]);
      const held = outcomes.flatMap((outcome) => outcome.held);
      return { rows, fresh: held.length === 0 ? first : without(held, rows, first), held };
    }
    // In one piece: what the ledger locks must not stay locked while a tenant in bulk rests between parts.
    const { claimed, held } = await appendRows(lane, recordedAt, stored, unless);
    const fresh = without(held, rows, rows.map((row, index) => first[index]! && (!row.chosen || claimed.has(`${row.tenantId}/${row.eventId}`))));
    await this.announce(lane, recordedAt, rows.filter((_, index) => fresh[index]), announce);
    return { rows, fresh, held };
  }

  private async announce(lane: Lane, recordedAt: Date, rows: AppendRow[], announce: Announce): Promise<void> {
    if (announce === 'never' || rows.length === 0) return;
    const tenants: Record<string, string[]> = {};
    for (const { tenantId, eventId } of rows) (tenants[tenantId] ??= []).push(eventId);
    const order = recordedAt.toISOString();
    if (announce === 'at once') return this.jobs.publish(lane, eventsAppended, { recorded_at: order, tenants }, { order });
    // A job each, so that nobody waits for what another publishes in bulk, not even where order counts.
    await Promise.all(Object.entries(tenants).map(([tenantId, ids]) => this.jobs.publish(lane, eventsAppendedInBulk, { recorded_at: order, tenants: { [tenantId]: ids } }, { order, owner: tenantId })));
  }
}

function without(held: readonly Held[], rows: AppendRow[], fresh: boolean[]): boolean[] {
  const ids = new Set(held.map(({ eventId }) => eventId));
  return rows.map(({ eventId }, index) => fresh[index]! && !ids.has(eventId));
}

function answersOf(publishes: Publish[], { rows, fresh }: Written): Appended[][] {
  let at = 0;
  return publishes.map(({ events }) => events.map(() => ({ event_id: rows[at]!.eventId, duplicate: !fresh[at++]! })));
}
