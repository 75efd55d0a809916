import { Prisma, type Tx } from '../../platform/index.js';

/** Holds a destination's row until the transaction ends: of two changes the second sees the first, and nobody begins to refer to it. Raw because Prisma has no row locks. */
export async function lockDestination(tx: Tx, tenantId: string, destinationId: string): Promise<void> {
  await tx.$queryRaw(Prisma.sql`SELECT 1 FROM destinations WHERE destination_id = ${destinationId}::uuid AND tenant_id = ${tenantId}::uuid FOR UPDATE`);
}

/** Whether the tenant has this destination; until the transaction ends nobody deletes it then, so it can be referred to. Raw because Prisma has no row locks. */
export async function holdDestination(tx: Tx, tenantId: string, destinationId: string): Promise<boolean> {
  const rows = await tx.$queryRaw<unknown[]>(Prisma.sql`SELECT 1 FROM destinations WHERE destination_id = ${destinationId}::uuid AND tenant_id = ${tenantId}::uuid FOR KEY SHARE`);
  return rows.length > 0;
}

/** Makes others who add a destination to the tenant wait until the transaction ends, so that the next statement counts theirs. */
export async function lockDestinationQuota(tx: Tx, tenantId: string): Promise<void> {
  await tx.$executeRaw(Prisma.sql`SELECT pg_advisory_xact_lock(hashtextextended('destinations of ' || ${tenantId}, 0))`);
}

/** Whether the tenant is the one that whoever runs this house began with. By the key of a table with a row per tenant. */
export async function isFirstTenant(tx: Tx, tenantId: string): Promise<boolean> {
  const [row] = await tx.$queryRaw<{ first: string }[]>(Prisma.sql`SELECT tenant_id::text AS first FROM tenants ORDER BY tenant_id LIMIT 1`);
  return row?.first === tenantId;
}
