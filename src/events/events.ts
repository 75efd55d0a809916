import { Injectable } from '@nestjs/common';
import { atOnce, Clock, Jobs, type Lane, Problem, type Tx, uuidv7 } from '../platform/index.js';
import { type AppendRow, appendRows, type EventBody, type EventFilter, type EventPlace, type EventRow, findEvent, findEventBody, listEvents, locateEvents } from './events.sql.js';
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
    const { rows, fresh } = await this.write(lane, recordedAt, publishes, announce, inParts);
    let at = 0;
    return publishes.map(({ events }) => events.map(() => ({ event_id: rows[at]!.eventId, duplicate: !fresh[at++]! })));
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

  private async write(lane: Lane, recordedAt: Date, publishes: Publish[], announce: Announce, inParts = atOnce): Promise<{ rows: AppendRow[]; fresh: boolean[] }> {
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
      // Nothing depends on the answer, so the announcement goes out with the rows.
      await Promise.all([inParts(stored, (part) => appendRows(lane, recordedAt, part)), this.announce(lane, recordedAt, rows, announce)]);
      return { rows, fresh: first };
    }
    // In one piece: what the ledger locks must not stay locked while a tenant in bulk rests between parts.
    const claimed = await appendRows(lane, recordedAt, stored);
    const fresh = rows.map((row, index) => first[index]! && (!row.chosen || claimed.has(`${row.tenantId}/${row.eventId}`)));
    await this.announce(lane, recordedAt, rows.filter((_, index) => fresh[index]), announce);
    return { rows, fresh };
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
