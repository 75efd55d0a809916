import { OPERATIONAL_TYPES, type EventPlace } from '../../events/index.js';
import type { Lane } from '../../platform/index.js';
import { firstPending } from '../order/lines.sql.js';
import { APPROVED } from '../fan-out/fan-out.sql.js';
import type { Pace } from './pace.js';
import type { Kind, Selection, Step } from './selection.js';

/** A resend that this transaction holds. */
export interface HeldResend {
  resend_id: string;
  tenant_id: string;
  kind: Kind;
  selection: Selection;
  rate_per_second: number | null;
  advance_at: Date;
  created_at: Date;
  open_parts: number;
}

/**
 * Takes the resend that has waited longest to be advanced, until the transaction ends. Raw for its locking: SKIP LOCKED lets
 * processes advance different resends, and none the same. Leans on the partial index on (advance_at).
 */
export async function lockDue(lane: Lane, now: Date): Promise<HeldResend | undefined> {
  const { rows } = await lane.executeSql<HeldResend>(`
    SELECT r.resend_id, r.tenant_id, r.kind, r.selection, r.rate_per_second, r.advance_at, r.created_at,
           (SELECT count(*)::int FROM resend_parts p WHERE p.resend_id = r.resend_id AND p.finished_at IS NULL) AS open_parts
      FROM resends r
     WHERE r.status IN ('queued', 'running') AND r.advance_at <= $1::timestamptz
     ORDER BY r.advance_at LIMIT 1 FOR UPDATE OF r SKIP LOCKED`, [now]);
  return rows[0];
}

export interface Part {
  step: Step;
  webhook_id: string;
  cursor_time: Date | null;
  cursor_id: string | null;
  cursor_position: number | null;
  done_count: number;
  /** Of its deliveries how many may be queued now. */
  room: number;
  deleted: boolean;
  disabled_reason: string | null;
  version: number;
  has_filter: boolean;
  /** What a webhook of a partner may have right now. */
  approved: string[] | null;
  ordered: boolean;
  order_key: string | null;
}

/**
 * The part that has waited longest and has room in the queue, dead letters before events. A part whose webhook takes nothing
 * any more has come to its end, room or not. What stands untried is counted by the partial index of the queue, up to the share.
 */
export async function nextPart(lane: Lane, resendId: string, share: number): Promise<Part | undefined> {
  const { rows } = await lane.executeSql<Part>(`
    SELECT p.step, p.webhook_id, p.cursor_time, p.cursor_id, p.cursor_position, p.done_count, $2::int - u.unsent AS room, w.deleted_at IS NOT NULL AS deleted,
           CASE WHEN w.disabled_at IS NOT NULL THEN coalesce(w.disabled_reason, '') END AS disabled_reason,
           w.version, w.filter IS NOT NULL AS has_filter, w.ordered, w.order_key, ${APPROVED}
      FROM resend_parts p
      JOIN webhooks w USING (webhook_id)
     CROSS JOIN LATERAL (
       SELECT count(*)::int AS unsent FROM (
         SELECT FROM delivery_queue q WHERE q.resend_id = p.resend_id AND q.webhook_id = p.webhook_id AND q.claimed_by IS NULL LIMIT $2::int) untried
     ) u
     WHERE p.resend_id = $1::uuid AND p.finished_at IS NULL AND (u.unsent < $2::int OR w.deleted_at IS NOT NULL OR w.disabled_at IS NOT NULL)
     ORDER BY p.step DESC, p.advanced_at NULLS FIRST, p.webhook_id LIMIT 1`, [resendId, share]);
  return rows[0];
}

/** How far a walk came. Absent when it found nothing to pass. */
export interface Passed {
  time: Date | null;
  id: string | null;
  /** Of a dead letter: where it stands among those of its time. */
  position?: number | null;
}

/** Notes what a part has done, and where it goes on. With `finished` what it has not done is skipped, with `error` because its webhook ended. */
export async function recordPart(lane: Lane, resendId: string, { step, webhook_id }: Part, done: number, passed: Passed, now: Date, finished: boolean, error?: string): Promise<void> {
  await lane.executeSql(`
    UPDATE resend_parts SET done_count = done_count + $4::int, total_count = greatest(total_count, done_count + $4::int), advanced_at = $7::timestamptz,
           cursor_time = coalesce($5::timestamptz, cursor_time), cursor_id = coalesce($6::text, cursor_id), cursor_position = coalesce($10::int, cursor_position),
           finished_at = CASE WHEN $8::boolean THEN $7::timestamptz END, error = $9::text
     WHERE resend_id = $1::uuid AND step = $2::text AND webhook_id = $3::uuid`,
  [resendId, step, webhook_id, done, passed.time, passed.id, now, finished, error ?? null, passed.position ?? null]);
}

/** Sums the parts up, and ends the resend when none is left: as failed when every webhook ended before its part did. */
export async function recordResend(lane: Lane, resendId: string, now: Date, advanceAt: Date): Promise<{ status: string; done_count: number; skipped_count: number }> {
  const { rows } = await lane.executeSql<{ status: string; done_count: number; skipped_count: number }>(`
    UPDATE resends r SET total_count = s.total, done_count = s.done, skipped_count = s.skipped, failures = 0, error = s.errors,
           advance_at = $3::timestamptz, started_at = coalesce(r.started_at, $2::timestamptz),
           finished_at = CASE WHEN s.open = 0 THEN $2::timestamptz END,
           status = CASE WHEN s.open > 0 THEN 'running' WHEN s.parts > 0 AND s.failed = s.parts THEN 'failed' ELSE 'succeeded' END
      FROM (SELECT coalesce(sum(total_count), 0)::int AS total, coalesce(sum(done_count), 0)::int AS done, count(*) AS parts,
                   coalesce(sum(total_count - done_count) FILTER (WHERE finished_at IS NOT NULL), 0)::int AS skipped,
                   count(*) FILTER (WHERE finished_at IS NULL) AS open, count(error) AS failed,
                   left(string_agg(DISTINCT error, ' '), 1000) AS errors
              FROM resend_parts WHERE resend_id = $1::uuid) s
     WHERE r.resend_id = $1::uuid
    RETURNING r.status, r.done_count, r.skipped_count`, [resendId, now, advanceAt]);
  return rows[0]!;
}

/** Lets a resend rest until a time. */
export async function rest(lane: Lane, resendId: string, until: Date): Promise<void> {
  await lane.executeSql(`UPDATE resends SET advance_at = $2::timestamptz WHERE resend_id = $1::uuid`, [resendId, until]);
}

/** Notes that a chunk failed for a reason of ours; after `limit` in a row the resend has failed. */
export async function recordFailure(lane: Lane, resendId: string, error: string, now: Date, until: Date, limit: number): Promise<void> {
  await lane.executeSql(`
    UPDATE resends SET failures = failures + 1, error = left($2::text, 1000), advance_at = $4::timestamptz,
           status = CASE WHEN failures + 1 >= $5::int THEN 'failed' ELSE status END, finished_at = CASE WHEN failures + 1 >= $5::int THEN $3::timestamptz END
     WHERE resend_id = $1::uuid AND status IN ('queued', 'running')`, [resendId, error, now, until, limit]);
}

/** The dead letters of a webhook that a chunk looks at: in the order of the log, which is that of their lines, or those named. */
const WALK = `l.webhook_id = $3::uuid AND (l.event_recorded_at, coalesce(l.position, 0), l.delivery_id) > ($4::timestamptz, $21::int, $5::uuid) AND l.died_at <= $6::timestamptz`;
const NAMED = `l.delivery_id = ANY($22::uuid[]) AND ${WALK}`;

const redriveText = (near: string): string => `
  WITH near AS MATERIALIZED (
    SELECT l.died_at, l.delivery_id, l.delivery_created_at, l.event_recorded_at, l.event_id, l.event_type, l.error_class,
           CASE WHEN $18::boolean THEN coalesce(l.order_key, '') END AS order_key, coalesce(l.position, 0) AS position
      FROM dead_letters l
     WHERE l.tenant_id = $2::uuid AND ${near}
     ORDER BY l.event_recorded_at, coalesce(l.position, 0), l.delivery_id LIMIT $7::int
  ), picked AS MATERIALIZED (
    SELECT d.tenant_id, d.created_at, d.delivery_id, d.webhook_id, d.event_id, d.event_recorded_at, d.attempt_count, n.order_key, n.position
      FROM near n JOIN deliveries d ON d.tenant_id = $2::uuid AND d.created_at = n.delivery_created_at AND d.delivery_id = n.delivery_id
     WHERE d.status = 'dead' AND d.completed_at = n.died_at AND d.resend_id IS DISTINCT FROM $1::uuid AND d.event_recorded_at >= $11::timestamptz
       AND ($12::text IS NULL OR n.event_type = $12::text) AND ($13::text IS NULL OR n.error_class = $13::text) AND ($14::text IS NULL OR n.event_id = $14::text)
       AND ($19::text[] IS NULL OR EXISTS (
         SELECT FROM unnest($19::text[]) AS p
          WHERE p = n.event_type OR (p LIKE '%.*' AND starts_with(n.event_type, left(p, -1))) OR (p = '*' AND n.event_type <> ALL($20::text[]))))
       AND ($15::timestamptz IS NULL OR n.died_at >= $15::timestamptz) AND ($16::timestamptz IS NULL OR n.died_at < $16::timestamptz)
       AND ($17::timestamptz IS NULL OR (d.created_at >= $17::timestamptz AND NOT EXISTS (
         SELECT FROM deliveries o WHERE o.event_id = d.event_id AND o.tenant_id = d.tenant_id AND o.webhook_id = d.webhook_id AND NOT o.is_test
            AND (o.status IN ('pending', 'retrying', 'succeeded') OR (o.status = 'dead' AND o.delivery_id > d.delivery_id)))))
     ORDER BY n.event_recorded_at, n.position, n.delivery_id LIMIT $8::int
       FOR UPDATE OF d
  ), raised AS (
    DELETE FROM dead_letters l USING picked p WHERE l.delivery_id = p.delivery_id
  ), due AS MATERIALIZED (
    SELECT p.*, CASE WHEN order_key IS NULL THEN $9::timestamptz + make_interval(secs => (row_number() OVER (ORDER BY event_recorded_at, position, delivery_id) - 1) * $10::float8 / 1000) ELSE 'infinity' END AS due_at
      FROM picked p
  ), marked AS (
    UPDATE deliveries d SET status = 'pending', next_attempt_at = nullif(p.due_at, 'infinity'), completed_at = NULL, resend_id = $1::uuid FROM due p
     WHERE d.tenant_id = p.tenant_id AND d.created_at = p.created_at AND d.delivery_id = p.delivery_id
  ), queued AS (
    INSERT INTO delivery_queue (webhook_id, due_at, delivery_id, tenant_id, created_at, event_id, event_recorded_at, attempt, round_start, trigger, resend_id, order_key, position)
    SELECT webhook_id, due_at, delivery_id, tenant_id, created_at, event_id, event_recorded_at, attempt_count + 1, attempt_count + 1, 'redrive', $1::uuid, order_key, position FROM due
  ), counted AS (
    SELECT (SELECT count(*)::int FROM picked) AS taken, (SELECT count(*)::int FROM near) AS seen,
           coalesce((SELECT array_agg(DISTINCT order_key) FROM picked WHERE order_key IS NOT NULL), '{}') AS keys
  )
  SELECT taken, seen, keys, last.event_recorded_at AS time, last.position, last.delivery_id AS id FROM counted LEFT JOIN LATERAL (
    SELECT event_recorded_at, position, delivery_id FROM picked WHERE taken >= $8::int UNION ALL SELECT event_recorded_at, position, delivery_id FROM near WHERE taken < $8::int
     ORDER BY 1 DESC, 2 DESC, 3 DESC LIMIT 1) last ON true`;

const REDRIVE = redriveText(WALK);
const REDRIVE_NAMED = redriveText(NAMED);

/** Dead letters that one chunk looks at, at most: a rare one is found in several. */
const SCAN = 5_000;
const NO_ID = '00000000-0000-0000-0000-000000000000';

export interface LetterChunk {
  after: Passed;
  until: Date;
  /** How many to queue at most. */
  limit: number;
  pace: Pace;
  oldestKept: Date;
  unrecoveredSince?: Date;
}

/**
 * Puts the next dead letters of a part back into the queue with a fresh round of retries; attempt numbers go on. Answers how
 * many, how far it looked, whether that was the end, and the lines of an ordered webhook that have grown.
 *
 * Raw because it is one statement over three tables: all or nothing. The deliveries are locked before their letters go, in
 * the order in which a retry by hand does it; one that was sent again meanwhile, or has died again since, is passed over, and so
 * is one that its partner may not have any more (by the rule of `matches`).
 */
export async function redriveChunk(lane: Lane, { resend_id, tenant_id, selection: { filter = {}, delivery_ids } }: HeldResend, { webhook_id, ordered, approved }: Part, chunk: LetterChunk): Promise<{ taken: number; passed: Passed; end: boolean; keys: string[] }> {
  const { rows } = await lane.executeSql<{ taken: number; seen: number; keys: string[] } & Passed>(delivery_ids ? REDRIVE_NAMED : REDRIVE, [
    resend_id, tenant_id, webhook_id, chunk.after.time ?? new Date(0), chunk.after.id ?? NO_ID, chunk.until, SCAN, chunk.limit,
    new Date(chunk.pace.from), chunk.pace.stepMs, chunk.oldestKept, filter.event_type ?? null, filter.error_class ?? null, filter.event_id ?? null,
    filter.from ?? null, filter.to ?? null, chunk.unrecoveredSince ?? null, ordered, approved, [...OPERATIONAL_TYPES], chunk.after.position ?? 0, ...(delivery_ids ? [delivery_ids] : []),
  ]);
  const { taken, seen, keys, time, id, position } = rows[0]!;
  return { taken, keys, passed: { time, id, position }, end: taken < chunk.limit && seen < SCAN };
}

/** An event of the log as a replay looks at it. */
export interface LogEvent extends EventPlace {
  event_type: string;
  /** Bytes of its data and metadata. */
  size: number;
  /** News about the webhook itself. */
  own: boolean;
  /** A test, which was meant for one webhook once. */
  test: boolean;
  /** A delivery to the webhook exists. */
  delivered: boolean;
}

const pageText = (source: string, bound = ''): string => `
  SELECT e.event_id, e.recorded_at, e.event_type, octet_length(e.data::text) + octet_length(e.metadata::text) AS size,
         (e.event_type = ANY($6::text[]) AND e.data ->> 'webhook_id' = $2::text) IS TRUE AS own,
         e.metadata::text = '{"test":true}' AND EXISTS (SELECT FROM deliveries t WHERE t.event_id = e.event_id AND t.tenant_id = e.tenant_id AND t.is_test) AS test,
         $7::boolean AND EXISTS (
           SELECT FROM deliveries o WHERE o.event_id = e.event_id AND o.tenant_id = e.tenant_id AND o.webhook_id = $2::uuid AND NOT o.is_test
              AND o.created_at >= e.recorded_at - interval '1 minute') AS delivered
    FROM ${source}
   WHERE e.tenant_id = $1::uuid AND e.recorded_at >= $3::timestamptz AND (e.recorded_at, e.event_id) > ($3::timestamptz, $4::text) ${bound}
   ORDER BY e.recorded_at, e.event_id LIMIT $5::int`;

const PAGE = pageText('events e', 'AND e.recorded_at < $8::timestamptz');
// In the snapshot that says whether a delivery exists: what is committed late is fanned out, and not taken for missed before.
const PAGE_SETTLED = pageText('events e', `AND e.recorded_at < least($8::timestamptz, ${firstPending('$1::text')})`);
const PAGE_NAMED = pageText('unnest($8::text[], $9::timestamptz[]) AS p(i, r) JOIN events e ON e.event_id = p.i AND e.recorded_at = p.r');

export interface LogPage {
  webhookId: string;
  after: Passed;
  limit: number;
  withDelivered: boolean;
}

/** The next events of a time span in the order of the log, with `withDelivered` only those that are fanned out: a walk of the primary key that stops after `limit`. */
export async function readLog(lane: Lane, tenantId: string, { webhookId, after, limit, withDelivered }: LogPage, from: Date, to: Date): Promise<LogEvent[]> {
  const { rows } = await lane.executeSql<LogEvent>(withDelivered ? PAGE_SETTLED : PAGE, [tenantId, webhookId, after.time ?? from, after.id ?? '', limit, [...OPERATIONAL_TYPES], withDelivered, to]);
  return rows;
}

/** The next of the named events, likewise. */
export async function readNamed(lane: Lane, tenantId: string, { webhookId, after, limit, withDelivered }: LogPage, places: { event_id: string; recorded_at: string }[]): Promise<LogEvent[]> {
  const { rows } = await lane.executeSql<LogEvent>(PAGE_NAMED, [
    tenantId, webhookId, after.time ?? new Date(0), after.id ?? '', limit, [...OPERATIONAL_TYPES], withDelivered, places.map(({ event_id }) => event_id), places.map(({ recorded_at }) => recorded_at),
  ]);
  return rows;
}

export interface Replay {
  deliveryId: string;
  event: LogEvent;
  /** The line it stands in, for an ordered webhook; null for others. */
  orderKey: string | null;
}

/** Writes one new delivery per event and its place in the queue, in their order, also in a line: a batch of the log may take several chunks. Raw because both tables are written by one statement. */
export async function insertReplays(lane: Lane, { resend_id, tenant_id }: HeldResend, { webhook_id: webhookId, done_count }: Part, createdAt: Date, { from, stepMs }: Pace, replays: Replay[]): Promise<void> {
  await lane.executeSql(`
    WITH incoming AS MATERIALIZED (
      SELECT d, e, r, y, k, n, CASE WHEN k IS NULL THEN $5::timestamptz + make_interval(secs => (n - 1) * $6::float8 / 1000) ELSE 'infinity' END AS due_at
        FROM unnest($7::uuid[], $8::text[], $9::timestamptz[], $10::text[], $11::text[]) WITH ORDINALITY AS i(d, e, r, y, k, n)
    ), recorded AS (
      INSERT INTO deliveries (tenant_id, created_at, delivery_id, webhook_id, event_id, event_recorded_at, event_type, status, next_attempt_at, resend_id)
      SELECT $1::uuid, $2::timestamptz, d, $3::uuid, e, r, y, 'pending', nullif(due_at, 'infinity'), $4::uuid FROM incoming
    )
    INSERT INTO delivery_queue (webhook_id, due_at, delivery_id, tenant_id, created_at, event_id, event_recorded_at, attempt, round_start, trigger, resend_id, order_key, position)
    SELECT $3::uuid, due_at, d, $1::uuid, $2::timestamptz, e, r, 1, 1, 'replay', $4::uuid, k, $12::int + n FROM incoming`,
  [tenant_id, createdAt, webhookId, resend_id, new Date(from), stepMs, replays.map(({ deliveryId }) => deliveryId), replays.map(({ event }) => event.event_id),
    replays.map(({ event }) => event.recorded_at), replays.map(({ event }) => event.event_type), replays.map(({ orderKey }) => orderKey), done_count]);
}
