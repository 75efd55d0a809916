import { Injectable } from '@nestjs/common';
import type { Held, Unless } from '../../events/index.js';
import { type Lane, uuidv7 } from '../../platform/index.js';
import { bytesOf, type InboundEvent, type InboundRequest, type Received } from '../inbound.js';
import { keepConflicts, lookUpIds, readKnown, type Recorded, unlessKnown } from './ledger.sql.js';

/** Other bodies that are kept per source. They are bodies a provider has signed: there should be none. */
const CONFLICTS = { rows: 1_000, bytes: 64 * 1024 * 1024 };

/** An event that its provider gave an id. */
interface Entry {
  request: InboundRequest;
  event: InboundEvent;
  known: NonNullable<InboundEvent['known']>;
}

/** The ids that providers gave events, and what came with them: one event per source and id, until the id expires. */
@Injectable()
export class Ledger {
  /** Has the ids of these requests entered where they are appended, and what is known held back. Undefined where there are none. Events must have their ids. */
  unlessKnown(recordedAt: Date, requests: InboundRequest[]): Unless | undefined {
    const rows = entriesOf(requests).map(({ request: { sourceId, receivedAt, dedupTtlMs }, event, known }) => ({
      ...known, sourceId, eventId: event.eventId!, recordedAt: receivedAt ?? recordedAt.getTime(), expiresAt: recordedAt.getTime() + dedupTtlMs,
    }));
    return rows.length === 0 ? undefined : unlessKnown(rows);
  }

  /** What became of the events that were held back, by their ids, in the same transaction. Other bytes under a known id are kept as a conflict. */
  async resolve(lane: Lane, recordedAt: Date, requests: InboundRequest[], held: readonly Held[]): Promise<Map<string, Received>> {
    if (held.length === 0) return new Map();
    const entries = entriesOf(requests);
    const knownOf = new Map(held.map(({ eventId, known }) => [eventId, known]));
    const standing = new Map<string, Recorded>();
    const repeated = entries.filter((entry) => {
      const known = knownOf.get(entry.event.eventId!);
      // One that was let in stands for those with its id that came with it.
      if (known === undefined) standing.set(keyOf(entry), { eventId: entry.event.eventId!, bodySha256: entry.known.bodySha256 });
      else if (known !== null) standing.set(keyOf(entry), readKnown(known));
      return known !== undefined;
    });
    const missing = [...new Map(repeated.filter((entry) => !standing.has(keyOf(entry))).map((entry) => [keyOf(entry), entry])).values()];
    if (missing.length > 0) {
      const found = await lookUpIds(lane, missing.map(({ request, known }) => ({ sourceId: request.sourceId, providerEventId: known.providerEventId })));
      missing.forEach((entry, index) => standing.set(keyOf(entry), found[index]!));
    }
    const resolved = repeated.map((entry) => {
      const { eventId, bodySha256 } = standing.get(keyOf(entry))!;
      return { ...entry, eventId, conflict: bodySha256 !== entry.known.bodySha256 };
    });
    await this.keepConflicts(lane, recordedAt, resolved.filter(({ conflict }) => conflict));
    return new Map(resolved.map(({ event, eventId, conflict }) => [event.eventId!, { event_id: eventId, duplicate: true, ...(conflict && { conflict }) }]));
  }

  private async keepConflicts(lane: Lane, recordedAt: Date, conflicts: (Entry & { eventId: string })[]): Promise<void> {
    if (conflicts.length === 0) return;
    const rows = conflicts.map(({ request, event, known, eventId }) => ({
      ...known, conflictId: uuidv7(recordedAt.getTime()), tenantId: request.tenantId, sourceId: request.sourceId, eventId, body: bytesOf(event), contentType: event.contentType ?? null,
    }));
    await keepConflicts(lane, recordedAt, rows, CONFLICTS);
  }
}

function entriesOf(requests: InboundRequest[]): Entry[] {
  const entries: Entry[] = [];
  for (const request of requests) for (const event of request.events) if (event.known) entries.push({ request, event, known: event.known });
  return entries;
}

function keyOf({ request, known }: Entry): string {
  return `${request.sourceId}/${known.providerEventId}`;
}
