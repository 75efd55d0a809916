import { Prisma, type Tx } from '../../platform/index.js';

/** Attempts that came to the same end. */
export interface OutcomeRow {
  /** Null for success. */
  error_class: string | null;
  response_status: number | null;
  count: number;
  first_seen: Date;
  last_seen: Date;
  /** Of the latest one, where it failed. */
  delivery_id: string | null;
  error: string | null;
  /** Over all outcomes. */
  p50_ms: number | null;
  p99_ms: number | null;
}

/**
 * Of a busier webhook only the newest attempts are looked at. A million took 0.6 s on two busy cores, and 1.6 s where autovacuum
 * had not yet been there, so that every row was touched after all.
 */
export const LOOK_AT = 500_000;

/**
 * The attempts of a webhook since a time, grouped by outcome; tests do not count. Raw for its one pass: it reads nothing but the
 * index (webhook_id, started_at), which carries the columns it groups by; durations are grouped as well, so that percentiles
 * come of some thousand groups instead of a sort of all rows. One probe per failed group finds the example.
 */
export async function readOutcomes(tx: Tx, webhookId: string, from: Date): Promise<OutcomeRow[]> {
  return tx.$queryRaw<OutcomeRow[]>(Prisma.sql`
    WITH grouped AS MATERIALIZED (
      SELECT error_class, response_status, duration_ms, count(*) AS n, min(started_at) AS first_seen, max(started_at) AS last_seen
        FROM (
          SELECT error_class, response_status, duration_ms, started_at FROM attempts
           WHERE webhook_id = ${webhookId}::uuid AND started_at >= ${from} AND trigger <> 'test'
           ORDER BY started_at DESC LIMIT ${LOOK_AT}
        ) recent
       GROUP BY 1, 2, 3
    ), percentiles AS (
      SELECT min(duration_ms) FILTER (WHERE upto >= 0.5 * total) AS p50_ms, min(duration_ms) FILTER (WHERE upto >= 0.99 * total) AS p99_ms
        FROM (SELECT duration_ms, sum(n) OVER (ORDER BY duration_ms) AS upto, sum(n) OVER () AS total FROM grouped WHERE duration_ms IS NOT NULL) ranked
    ), outcomes AS (
      SELECT error_class, response_status, sum(n)::int AS count, min(first_seen) AS first_seen, max(last_seen) AS last_seen FROM grouped GROUP BY 1, 2
    )
    SELECT o.*, e.delivery_id, e.error, p.p50_ms, p.p99_ms
      FROM outcomes o
     CROSS JOIN percentiles p
      LEFT JOIN LATERAL (
        SELECT delivery_id, error FROM attempts
         WHERE webhook_id = ${webhookId}::uuid AND started_at = o.last_seen AND trigger <> 'test' AND error_class = o.error_class AND response_status IS NOT DISTINCT FROM o.response_status
         LIMIT 1
      ) e ON true
     ORDER BY o.count DESC`);
}

/** What waits for a webhook, what died, and what its filter kept from it since a time. Leans on the first columns of three primary keys and an index. */
export async function readBacklog(tx: Tx, webhookId: string, from: Date): Promise<{ waiting: number; oldest_due_at: Date | null; dead_letters: number; filtered: number }> {
  const [row] = await tx.$queryRaw<{ waiting: number; oldest_due_at: Date | null; dead_letters: number; filtered: number }[]>(Prisma.sql`
    SELECT (SELECT count(*)::int FROM delivery_queue WHERE webhook_id = ${webhookId}::uuid) AS waiting,
           (SELECT nullif(min(due_at), 'infinity') FROM delivery_queue WHERE webhook_id = ${webhookId}::uuid) AS oldest_due_at,
           (SELECT count(*)::int FROM dead_letters WHERE webhook_id = ${webhookId}::uuid) AS dead_letters,
           (SELECT coalesce(sum(count), 0)::int FROM filtered_events WHERE webhook_id = ${webhookId}::uuid AND hour > ${from}) AS filtered`);
  return row!;
}
