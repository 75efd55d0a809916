import { Prisma, type Tx } from '../../platform/index.js';

/** Holds a source's row until the transaction ends, so that of two changes the second sees the first. Raw because Prisma has no row locks. */
export async function lockSource(tx: Tx, sourceId: string): Promise<void> {
  await tx.$queryRaw(Prisma.sql`SELECT 1 FROM sources WHERE source_id = ${sourceId}::uuid FOR NO KEY UPDATE`);
}

/** Makes others who add a source to the tenant wait until the transaction ends, so that the next statement counts theirs. */
export async function lockSourceQuota(tx: Tx, tenantId: string): Promise<void> {
  await tx.$executeRaw(Prisma.sql`SELECT pg_advisory_xact_lock(hashtextextended('sources of ' || ${tenantId}, 0))`);
}
