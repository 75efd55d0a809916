import { Prisma, type Tx } from '../../platform/index.js';

/** Depth and age of the queue, over all tenants. What waits for its turn in a line is not due (and Postgres before 17 cannot subtract infinity). */
export async function readQueueDepth(tx: Tx): Promise<{ waiting: number; oldest_seconds: number; dead: number }> {
  const [row] = await tx.$queryRaw<{ waiting: number; oldest_seconds: number; dead: number }[]>(Prisma.sql`
    SELECT count(*)::float8 AS waiting, greatest(0, coalesce(extract(epoch FROM now() - min(due_at) FILTER (WHERE due_at < 'infinity')), 0))::float8 AS oldest_seconds,
           (SELECT count(*)::float8 FROM dead_letters) AS dead
      FROM delivery_queue`);
  return row!;
}
