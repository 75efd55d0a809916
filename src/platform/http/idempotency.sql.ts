import { Prisma } from '../db/generated/client.js';
import type { Tx } from '../db/database.js';

/**
 * Takes the key for a request that is about to run. Answers true when it is ours: it was new, is older than 24 hours, or
 * belongs to a request that began a minute ago and never ended (its process died). Raw for the conditional upsert on the
 * primary key.
 */
export async function takeIdempotencyKey(tx: Tx, tenantId: string, key: string, route: string, hash: Buffer): Promise<boolean> {
  const rows = await tx.$queryRaw<unknown[]>(Prisma.sql`
    INSERT INTO idempotency_keys AS k (tenant_id, key, route, request_hash) VALUES (${tenantId}::uuid, ${key}, ${route}, ${hash})
    ON CONFLICT (tenant_id, key) DO UPDATE
       SET route = EXCLUDED.route, request_hash = EXCLUDED.request_hash, status = NULL, answer = NULL, created_at = now()
     WHERE k.created_at < now() - interval '24 hours'
        OR (k.status IS NULL AND k.request_hash = EXCLUDED.request_hash AND k.created_at < now() - interval '1 minute')
    RETURNING 1`);
  return rows.length > 0;
}

/** Removes keys past their 24 hours. */
export async function dropExpiredIdempotencyKeys(tx: Tx): Promise<number> {
  return tx.$executeRaw(Prisma.sql`DELETE FROM idempotency_keys WHERE created_at < now() - interval '24 hours'`);
}
