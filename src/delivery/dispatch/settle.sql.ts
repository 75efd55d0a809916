import type { Lane } from '../../platform/index.js';
import type { Claim } from './claim.sql.js';

/** The record of one exchange. */
export interface AttemptRecord {
  startedAt: Date;
  durationMs: number;
  requestHeaders: Record<string, string>;
  responseStatus?: number;
  responseHeaders?: Record<string, string | string[]>;
  responseBody?: string;
  errorClass?: string;
  error?: string;
}

/** How a claimed delivery ends or goes on. `attempt` is absent when nothing was sent. */
export interface Settlement {
  claim: Claim;
  dispatcherId: string;
  attempt?: AttemptRecord;
  status: 'succeeded' | 'retrying' | 'dead' | 'cancelled';
  settledAt: Date;
  nextAttemptAt?: Date;
  reason?: string;
  /** The attempt used up no retry. */
  uncounted?: boolean;
  /** If it dies and heads the line of a key, the line stands still. */
  blocks?: boolean;
}

const SETTLE = `
  WITH incoming AS MATERIALIZED (
    SELECT * FROM json_to_recordset($1::json)
      AS r(w uuid, q timestamptz, d uuid, b uuid, y text, s text, z timestamptz, n timestamptz, r text, u int, k boolean,
           t timestamptz, ms int, rq json, rs smallint, rh json, rb text, ec text, er text)
  ), taken AS (
    DELETE FROM delivery_queue q USING incoming i
     WHERE q.webhook_id = i.w AND q.due_at = i.q AND q.delivery_id = i.d AND q.claimed_by = i.b
    RETURNING q.*, i.*
  ), recorded AS (
    INSERT INTO attempts (delivery_id, attempt, started_at, tenant_id, webhook_id, trigger, duration_ms, request_headers,
                          response_status, response_headers, response_body, error_class, error)
    SELECT delivery_id, attempt, t, tenant_id, webhook_id, trigger, ms, rq, rs, rh, rb, ec, er FROM taken WHERE t IS NOT NULL
  ), requeued AS (
    INSERT INTO delivery_queue (webhook_id, due_at, delivery_id, tenant_id, created_at, event_id, event_recorded_at, attempt, round_start, trigger, order_key, position)
    SELECT webhook_id, n, delivery_id, tenant_id, created_at, event_id, event_recorded_at, attempt + 1, round_start + u, 'retry', order_key, position FROM taken WHERE n IS NOT NULL
  ), buried AS (
    INSERT INTO dead_letters (tenant_id, died_at, delivery_id, delivery_created_at, event_recorded_at, webhook_id, event_id, event_type, attempt_count, error_class, reason, order_key, position)
    SELECT tenant_id, z, delivery_id, created_at, event_recorded_at, webhook_id, event_id, y, attempt - CASE WHEN t IS NULL THEN 1 ELSE 0 END, ec, r, order_key, position FROM taken WHERE s = 'dead'
  ), blocked AS (
    INSERT INTO order_blocks (webhook_id, order_key, delivery_id, blocked_at)
    SELECT webhook_id, order_key, delivery_id, z FROM taken WHERE s = 'dead' AND k AND order_key IS NOT NULL
    ON CONFLICT (webhook_id, order_key, delivery_id) DO UPDATE SET blocked_at = excluded.blocked_at
  ), unblocked AS (
    DELETE FROM order_blocks b USING taken WHERE b.webhook_id = taken.webhook_id AND b.order_key = taken.order_key AND b.delivery_id = taken.delivery_id
       AND (taken.s IN ('succeeded', 'cancelled') OR (taken.s = 'dead' AND NOT k))
  ), marked AS (
    UPDATE deliveries d
       SET status = taken.s, attempt_count = taken.attempt - CASE WHEN taken.t IS NULL THEN 1 ELSE 0 END, next_attempt_at = taken.n,
           completed_at = CASE WHEN taken.n IS NULL THEN taken.z END
      FROM taken
     WHERE d.tenant_id = taken.tenant_id AND d.created_at = taken.created_at AND d.delivery_id = taken.delivery_id
  )
  SELECT delivery_id FROM taken`;

/**
 * Settles claimed deliveries: takes each from the queue, records its attempt, and marks it done, queues the next attempt or
 * lays it with the dead letters, all in one statement and so all or nothing. Answers the delivery ids that were settled.
 *
 * A claim that others have taken over meanwhile is left alone (the fence is `claimed_by`); settling twice, after an answer
 * from Postgres got lost, changes nothing.
 */
export async function settle(lane: Lane, settlements: Settlement[]): Promise<Set<string>> {
  const input = settlements.map(({ claim, dispatcherId, attempt, status, settledAt, nextAttemptAt, reason, uncounted, blocks }) => ({
    w: claim.webhook_id, q: claim.due_at, d: claim.delivery_id, b: dispatcherId, y: claim.event_type ?? '',
    s: status, z: settledAt, n: nextAttemptAt, r: reason, u: uncounted ? 1 : 0, k: blocks ?? false,
    t: attempt?.startedAt, ms: attempt?.durationMs, rq: attempt?.requestHeaders, rs: attempt?.responseStatus, rh: attempt?.responseHeaders,
    rb: attempt?.responseBody, ec: attempt?.errorClass, er: attempt?.error,
  }));
  const { rows } = await lane.executeSql<{ delivery_id: string }>(SETTLE, [JSON.stringify(input)]);
  return new Set(rows.map(({ delivery_id }) => delivery_id));
}
