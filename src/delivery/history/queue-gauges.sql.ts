import { Prisma, type Tx } from '../../platform/index.js';

/** What stands where, over all tenants. */
export interface QueueDepth {
  waiting: number;
  oldest_seconds: number;
  dead: number;
  open_circuits: number;
  blocked_keys: number;
}

/** Depth and age of the queue, and what holds it up. What waits for its turn in a line is not due (and Postgres before 17 cannot subtract infinity). */
export async function readQueueDepth(tx: Tx): Promise<QueueDepth> {
  const [row] = await tx.$queryRaw<QueueDepth[]>(Prisma.sql`
    SELECT count(*)::float8 AS waiting, greatest(0, coalesce(extract(epoch FROM now() - min(due_at) FILTER (WHERE due_at < 'infinity')), 0))::float8 AS oldest_seconds,
           (SELECT count(*)::float8 FROM dead_letters) AS dead,
           (SELECT count(*)::float8 FROM webhook_flows f JOIN webhooks w USING (webhook_id) WHERE f.state <> 'closed' AND w.is_active AND w.deleted_at IS NULL) AS open_circuits,
           (SELECT count(*)::float8 FROM order_blocks) AS blocked_keys
      FROM delivery_queue`);
  return row!;
}
