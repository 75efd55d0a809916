import { appendUnless, type Unless } from '../../events/index.js';
import { byteaArray, hexArray, type Lane, textArray, timeArray, uuidArray } from '../../platform/index.js';

/** An event under its provider's id. */
export interface LedgerRow {
  sourceId: string;
  providerEventId: string;
  /** In hex. */
  bodySha256: string;
  eventId: string;
  /** When its request came, in epoch milliseconds: by then another must have expired to make room. */
  recordedAt: number;
  expiresAt: number;
}

/** What stands in the ledger under an id. */
export interface Recorded {
  eventId: string;
  bodySha256: string;
}

/** What is known of a row, as text; a digest has 64 digits. */
const KNOWN = `encode(l.body_sha256, 'hex') || l.event_id`;

const UNLESS_KNOWN = appendUnless(`
  given AS MATERIALIZED (
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::bytea[], $4::text[], $5::timestamptz[], $6::timestamptz[]) WITH ORDINALITY AS r(s, p, h, e, a, x, n)
  ), entered AS (
    INSERT INTO inbound_ledger AS l (source_id, provider_event_id, body_sha256, event_id, recorded_at, expires_at)
    SELECT DISTINCT ON (s, p) s, p, h, e, a, x FROM given ORDER BY s, p, n
    ON CONFLICT (source_id, provider_event_id) DO UPDATE
      SET body_sha256 = excluded.body_sha256, event_id = excluded.event_id, recorded_at = excluded.recorded_at, expires_at = excluded.expires_at
      WHERE l.expires_at <= excluded.recorded_at
    RETURNING event_id
  ), held AS (
    SELECT e AS event_id, ${KNOWN} AS known
      FROM given LEFT JOIN inbound_ledger l ON l.source_id = s AND l.provider_event_id = p AND l.expires_at > a
     WHERE e NOT IN (SELECT event_id FROM entered)
  )`, 6);

/**
 * Enters ids of providers into the ledger in the statement that appends, which then leaves out those that stood in it and had not expired;
 * of several with the same id the first is taken.
 *
 * Raw because one statement does it for a whole batch; the primary key decides between concurrent requests with the same id.
 * Rows go in sorted so that two batches cannot deadlock. What was committed before the statement began is answered with what is known of it.
 * The rest, {@link lookUpIds} finds: an id that is there stays locked until the transaction ends.
 */
export function unlessKnown(rows: LedgerRow[]): Unless {
  const column = <T>(read: (row: LedgerRow) => T): T[] => rows.map(read);
  return {
    statements: UNLESS_KNOWN,
    values: [
      uuidArray(column((row) => row.sourceId)), textArray(column((row) => row.providerEventId)), hexArray(column((row) => row.bodySha256)), textArray(column((row) => row.eventId)),
      timeArray(column((row) => row.recordedAt)), timeArray(column((row) => row.expiresAt)),
    ],
  };
}

/** What `known` of a held row says. */
export function readKnown(known: string): Recorded {
  return { bodySha256: known.slice(0, 64), eventId: known.slice(64) };
}

/** The rows under these ids, in their order. A statement of its own: only that sees what another transaction committed while the append waited for it. */
export async function lookUpIds(lane: Lane, rows: Pick<LedgerRow, 'sourceId' | 'providerEventId'>[]): Promise<Recorded[]> {
  const { rows: found } = await lane.executeSql<{ known: string }>(LOOK_UP, [rows.map(({ sourceId }) => sourceId), rows.map(({ providerEventId }) => providerEventId)]);
  return found.map(({ known }) => readKnown(known));
}

const LOOK_UP = `
  SELECT ${KNOWN} AS known
    FROM unnest($1::uuid[], $2::text[]) WITH ORDINALITY AS r(s, p, n) JOIN inbound_ledger l ON l.source_id = s AND l.provider_event_id = p ORDER BY n`;

/** Another body under a known id. */
export interface ConflictRow {
  conflictId: string;
  tenantId: string;
  sourceId: string;
  providerEventId: string;
  eventId: string;
  /** In hex. */
  bodySha256: string;
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
    hexArray(column((row) => row.bodySha256)), byteaArray(column((row) => row.body)), column((row) => row.contentType), limits.rows, limits.bytes,
  ]);
}
