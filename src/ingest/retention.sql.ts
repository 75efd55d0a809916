import { Prisma, type Tx } from '../platform/index.js';

/**
 * Removes up to `limit` ids that expired by `by`, and answers how many. Leans on the block-range index of each ledger partition; rows that a
 * request is just taking over are passed by, or the two would wait for each other.
 */
export async function forgetIds(tx: Tx, by: Date, limit: number): Promise<number> {
  return tx.$executeRaw(Prisma.sql`
    DELETE FROM inbound_ledger WHERE (source_id, provider_event_id) IN (
      SELECT source_id, provider_event_id FROM inbound_ledger WHERE expires_at <= ${by} LIMIT ${limit} FOR UPDATE SKIP LOCKED)`);
}
