import { Prisma, type Tx } from '../../platform/index.js';

/**
 * Removes counts of filtered events of before a time, and turns what still waits from before it into dead
 * letters with that reason: its event and its delivery row are about to be dropped. Scans the queue, which is small unless
 * something is wrong; hourly.
 */
export async function expireBefore(tx: Tx, before: Date, now: Date): Promise<number> {
  await tx.$executeRaw(Prisma.sql`DELETE FROM filtered_events WHERE hour < ${before}`);
  return tx.$executeRaw(Prisma.sql`
    WITH taken AS (
      DELETE FROM delivery_queue WHERE greatest(event_recorded_at, created_at) < ${before} AND claimed_by IS NULL RETURNING *
    ), marked AS (
      UPDATE deliveries d SET status = 'dead', next_attempt_at = NULL, completed_at = ${now} FROM taken t
       WHERE d.tenant_id = t.tenant_id AND d.created_at = t.created_at AND d.delivery_id = t.delivery_id
    )
    INSERT INTO dead_letters (tenant_id, died_at, delivery_id, delivery_created_at, event_recorded_at, webhook_id, event_id, event_type, attempt_count, reason, order_key, position)
    SELECT t.tenant_id, ${now}, t.delivery_id, t.created_at, t.event_recorded_at, t.webhook_id, t.event_id, d.event_type, d.attempt_count,
           'It waited past EVENT_RETENTION_DAYS.', t.order_key, t.position
      FROM taken t JOIN deliveries d ON d.tenant_id = t.tenant_id AND d.created_at = t.created_at AND d.delivery_id = t.delivery_id`);
}

/** When the oldest event was recorded that still waits in deliveries made after a time. Scans the queue; hourly. */
export async function oldestAwaited(tx: Tx, madeAfter: Date): Promise<Date | null> {
  const [row] = await tx.$queryRaw<{ oldest: Date | null }[]>(Prisma.sql`SELECT min(event_recorded_at) AS oldest FROM delivery_queue WHERE created_at >= ${madeAfter}`);
  return row!.oldest;
}

/** Removes up to `limit` dead letters of before a time, by the index on `died_at`. Answers how many. */
export async function dropLettersBefore(tx: Tx, before: Date, limit: number): Promise<number> {
  return tx.$executeRaw(Prisma.sql`
    DELETE FROM dead_letters WHERE delivery_id IN (
      SELECT delivery_id FROM dead_letters WHERE died_at < ${before} ORDER BY died_at LIMIT ${limit} FOR UPDATE SKIP LOCKED)`);
}

/** Forgets resends that ended before a time, with their parts. There are few. */
export async function dropResendsBefore(tx: Tx, before: Date): Promise<number> {
  return tx.$executeRaw(Prisma.sql`DELETE FROM resends WHERE finished_at < ${before}`);
}
