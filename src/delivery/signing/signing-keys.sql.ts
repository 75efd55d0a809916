import { Prisma, type SigningKey, type Tx } from '../../platform/index.js';

/** Holds the right to change a tenant's keys until the transaction ends. Raw because Prisma has no locks; advisory because the rows to lock change. */
export async function lockSigningKeys(tx: Tx, tenantId: string): Promise<void> {
  await tx.$executeRaw(Prisma.sql`SELECT pg_advisory_xact_lock(hashtextextended(${`lakehook signing keys ${tenantId}`}, 0))`);
}

/**
 * The keys of a tenant that are published at `now`, newest first; without a tenant those of the installation's first one. Raw
 * because `tenants` is another domain's table and is read here in the same statement. Walks the index on (tenant_id, signing_key_id).
 */
export function listPublished(tx: Tx, now: Date, tenantId: string | null, keyId: string | null): Promise<Pick<SigningKey, 'signingKeyId' | 'publicKey'>[]> {
  return tx.$queryRaw(Prisma.sql`
    SELECT signing_key_id AS "signingKeyId", public_key AS "publicKey" FROM signing_keys
     WHERE tenant_id = coalesce(${tenantId}::uuid, (SELECT tenant_id FROM tenants ORDER BY tenant_id LIMIT 1))
       AND (retire_at IS NULL OR retire_at > ${now}) AND (${keyId}::uuid IS NULL OR signing_key_id = ${keyId}::uuid)
     ORDER BY signing_key_id DESC`);
}
