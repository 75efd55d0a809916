import { Injectable } from '@nestjs/common';
import { type Lane, uuidv7 } from '../../platform/index.js';
import { bytesOf, type InboundEvent, type InboundRequest, type Received } from '../inbound.js';
import { claimIds, keepConflicts, lookUpIds } from './ledger.sql.js';

/** Other bodies that are kept per source. They are bodies a provider has signed: there should be none. */
const CONFLICTS = { rows: 1_000, bytes: 64 * 1024 * 1024 };

interface Entry {
  key: string;
  request: InboundRequest;
  event: InboundEvent;
  known: NonNullable<InboundEvent['known']>;
}

/** The ids that providers gave events, and what came with them: one event per source and id, until the id expires. */
@Injectable()
export class Ledger {
  /**
   * Enters the ids of these requests in the caller's transaction, the same that appends what is new. Answers what became of the
   * events that are not. Events must have their ids. Other bytes under a known id are kept as a conflict.
   */
  async sift(lane: Lane, recordedAt: Date, requests: InboundRequest[]): Promise<Map<InboundEvent, Received>> {
    const entries = requests.flatMap((request) => request.events.flatMap((event): Entry[] => (event.known ? [{ key: `${request.sourceId}/${event.known.providerEventId}`, request, event, known: event.known }] : [])));
    const firsts = new Map<string, Entry>();
    for (const entry of entries) if (!firsts.has(entry.key)) firsts.set(entry.key, entry);
    if (firsts.size === 0) return new Map();
    const rows = [...firsts.values()].map(({ request, event, known }) => ({
      ...known, sourceId: request.sourceId, eventId: event.eventId!, recordedAt: request.receivedAt === undefined ? recordedAt : new Date(request.receivedAt), expiresAt: new Date(recordedAt.getTime() + request.dedupTtlMs),
    }));
    const claimed = await claimIds(lane, rows);
    const standing = new Map([...firsts.values()].map(({ key, event, known }) => [key, { eventId: event.eventId!, bodySha256: known.bodySha256 }]));
    if (claimed.size < firsts.size) {
      const seen = await lookUpIds(lane, [...firsts.values()].filter(({ key }) => !claimed.has(key)).map(({ request, known }) => ({ sourceId: request.sourceId, providerEventId: known.providerEventId })));
      for (const { key, event_id, body_sha256 } of seen) standing.set(key, { eventId: event_id, bodySha256: body_sha256 });
    }
    const repeated = entries.filter((entry) => !claimed.has(entry.key) || firsts.get(entry.key) !== entry).map((entry) => {
      const { eventId, bodySha256 } = standing.get(entry.key)!;
      return { ...entry, eventId, conflict: !Buffer.from(bodySha256).equals(entry.known.bodySha256) };
    });
    await this.keepConflicts(lane, recordedAt, repeated.filter(({ conflict }) => conflict));
    return new Map(repeated.map(({ event, eventId, conflict }) => [event, { event_id: eventId, duplicate: true, ...(conflict && { conflict }) }]));
  }

  private async keepConflicts(lane: Lane, recordedAt: Date, conflicts: (Entry & { eventId: string })[]): Promise<void> {
    if (conflicts.length === 0) return;
    const rows = conflicts.map(({ request, event, known, eventId }) => ({
      ...known, conflictId: uuidv7(recordedAt.getTime()), tenantId: request.tenantId, sourceId: request.sourceId, eventId, body: bytesOf(event), contentType: event.contentType ?? null,
    }));
    await keepConflicts(lane, recordedAt, rows, CONFLICTS);
  }
}
