import { byteaArray, type Lane } from '../../platform/index.js';

/** An event under its provider's id. */
export interface LedgerRow {
  sourceId: string;
  providerEventId: string;
  bodySha256: Uint8Array;
  eventId: string;
  /** When its request came: by then another must have expired to make room. */
  recordedAt: Date;
  expiresAt: Date;
}

/** What stands in the ledger under an id. */
export interface Recorded {
  key: string;
  event_id: string;
  body_sha256: Buffer;
}

const CLAIM = `
  INSERT INTO inbound_ledger AS l (source_id, provider_event_id, body_sha256, event_id, recorded_at, expires_at)
  SELECT s, p, h, e, a, x FROM unnest($1::uuid[], $2::text[], $3::bytea[], $4::text[], $5::timestamptz[], $6::timestamptz[]) AS r(s, p, h, e, a, x)
   ORDER BY s, p
  ON CONFLICT (source_id, provider_event_id) DO UPDATE
    SET body_sha256 = excluded.body_sha256, event_id = excluded.event_id, recorded_at = excluded.recorded_at, expires_at = excluded.expires_at
    WHERE l.expires_at <= excluded.recorded_at
  RETURNING l.source_id || '/' || l.provider_event_id AS key`;

const LOOK_UP = `
  SELECT l.source_id || '/' || l.provider_event_id AS key, l.event_id, l.body_sha256
    FROM unnest($1::uuid[], $2::text[]) AS r(s, p) JOIN inbound_ledger l ON l.source_id = s AND l.provider_event_id = p`;

/**
 * Enters ids of providers, each given once, into the ledger. Answers the `source/id` of those that were not in it, or had expired.
 *
 * Raw because one statement does it for a whole batch; the primary key decides between concurrent requests with the same id.
 * Rows go in sorted so that two batches cannot deadlock. An id that is there stays locked until the transaction ends, so that
 * {@link lookUpIds} finds it.
 */
export async function claimIds(lane: Lane, rows: LedgerRow[]): Promise<Set<string>> {
  const column = <T>(read: (row: LedgerRow) => T): T[] => rows.map(read);
  const { rows: claimed } = await lane.executeSql<{ key: string }>(CLAIM, [
    column((row) => row.sourceId), column((row) => row.providerEventId), byteaArray(column((row) => row.bodySha256)), column((row) => row.eventId), column((row) => row.recordedAt), column((row) => row.expiresAt),
  ]);
  return new Set(claimed.map(({ key }) => key));
}

/** The rows under these ids. A statement of its own: only that sees what another transaction committed while the claim waited for it. */
export async function lookUpIds(lane: Lane, rows: Pick<LedgerRow, 'sourceId' | 'providerEventId'>[]): Promise<Recorded[]> {
  return (await lane.executeSql<Recorded>(LOOK_UP, [rows.map(({ sourceId }) => sourceId), rows.map(({ providerEventId }) => providerEventId)])).rows;
}

/** Another body under a known id. */
export interface ConflictRow {
  conflictId: string;
  tenantId: string;
  sourceId: string;
  providerEventId: string;
  eventId: string;
  bodySha256: Uint8Array;
  body: Uint8Array;
  contentType: string | null;
}

const KEEP_CONFLICTS = `
  INSERT INTO inbound_conflicts (conflict_id, tenant_id, source_id, provider_event_id, event_id, body_sha256, byte_count, body, content_type, received_at)
  SELECT c, t, s, p, e, h, length(b), b, k, $1::timestamptz
    FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::bytea[], $8::bytea[], $9::text[]) AS r(c, t, s, p, e, h, b, k)
   WHERE (SELECT count(*) < $10::int AND coalesce(sum(byte_count), 0) < $11::bigint FROM inbound_conflicts WHERE source_id = s)
   ORDER BY s, p, h
  ON CONFLICT (source_id, provider_event_id, body_sha256) DO NOTHING`;

/**
 * Keeps other bodies, each once, as far as their sources have room: `rows` and `bytes` each, passed by at most a batch. Counts by
 * the index on the source, whose rows the bound keeps few.
 */
export async function keepConflicts(lane: Lane, receivedAt: Date, rows: ConflictRow[], limits: { rows: number; bytes: number }): Promise<void> {
  const column = <T>(read: (row: ConflictRow) => T): T[] => rows.map(read);
  await lane.executeSql(KEEP_CONFLICTS, [
    receivedAt, column((row) => row.conflictId), column((row) => row.tenantId), column((row) => row.sourceId), column((row) => row.providerEventId), column((row) => row.eventId),
    byteaArray(column((row) => row.bodySha256)), byteaArray(column((row) => row.body)), column((row) => row.contentType), limits.rows, limits.bytes,
  ]);
}
