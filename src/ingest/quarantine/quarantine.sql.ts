import { Prisma, type Tx } from '../../platform/index.js';

/**
 * Leaves these sources the newest of their quarantined requests: at most so many rows and bytes each, and as many again of those
 * that were believed, for no forger is to drive these out. Raw for its window; it walks the index on the source, whose rows
 * the bound keeps few. What another process is just removing is passed by, or the two could wait for each other.
 */
export async function trimQuarantine(tx: Tx, sourceIds: string[], limits: { rows: number; bytes: number }): Promise<void> {
  await tx.$executeRaw(Prisma.sql`
    DELETE FROM quarantined_requests WHERE quarantine_id IN (
      SELECT quarantine_id FROM quarantined_requests WHERE quarantine_id IN (
        SELECT quarantine_id FROM (
          SELECT quarantine_id, row_number() OVER newest AS place, sum(byte_count) OVER newest AS bytes
            FROM quarantined_requests WHERE source_id = ANY(${sourceIds}::uuid[])
          WINDOW newest AS (PARTITION BY source_id, reason = 'invalid' ORDER BY quarantine_id DESC)
        ) AS ranked WHERE place > ${limits.rows} OR bytes > ${limits.bytes})
      FOR UPDATE SKIP LOCKED)`);
}

/** A quarantined request as lists show it. */
export interface QuarantinedRow {
  quarantine_id: string;
  received_at: Date;
  reason: string;
  detail: string;
  request: string;
  byte_count: number;
  body_start: Uint8Array;
}

/** A page of a source's quarantine, newest first, with the first bytes of each body. A backward walk of the index on the source. */
export async function listQuarantine(tx: Tx, sourceId: string, before: string | undefined, limit: number, bodyBytes: number): Promise<QuarantinedRow[]> {
  return tx.$queryRaw<QuarantinedRow[]>(Prisma.sql`
    SELECT quarantine_id, received_at, reason, detail, request, byte_count, substring(body FROM 1 FOR ${bodyBytes}::int) AS body_start
      FROM quarantined_requests
     WHERE source_id = ${sourceId}::uuid ${before === undefined ? Prisma.empty : Prisma.sql`AND quarantine_id < ${before}::uuid`}
     ORDER BY quarantine_id DESC LIMIT ${limit}`);
}
