import { Prisma, type Tx } from '../../platform/index.js';

/** What a catalogue is made of: a type with its newest ACTIVE version, if it has one. */
export interface CatalogueRow {
  name: string;
  contains_sensitive: string[];
  archived: boolean;
  version: number | null;
}

/** Makes other changes of the tenant's types wait for this transaction, and tells the caches of all processes. Raw because Prisma's upsert is two statements. */
export async function changeCatalogue(tx: Tx, tenantId: string): Promise<void> {
  await tx.$executeRaw(Prisma.sql`
    INSERT INTO event_catalogues AS c (tenant_id, revision) VALUES (${tenantId}::uuid, 1)
    ON CONFLICT (tenant_id) DO UPDATE SET revision = c.revision + 1`);
}

/** All types of a tenant. Raw for the newest version of each: a look at the end of its primary key. */
export async function readCatalogue(tx: Tx, tenantId: string): Promise<CatalogueRow[]> {
  return tx.$queryRaw<CatalogueRow[]>(Prisma.sql`
    SELECT t.name, t.contains_sensitive, t.archived_at IS NOT NULL AS archived,
           (SELECT v.version FROM event_type_versions v WHERE v.tenant_id = t.tenant_id AND v.name = t.name AND v.status = 'ACTIVE' ORDER BY v.version DESC LIMIT 1) AS version
      FROM event_types t WHERE t.tenant_id = ${tenantId}::uuid`);
}

/** The texts of these versions, by primary key. */
export async function readSchemas(tx: Tx, tenantId: string, versions: { name: string; version: number }[]): Promise<{ name: string; version: number; schema: string }[]> {
  return tx.$queryRaw(Prisma.sql`
    SELECT v.name, v.version, v.schema::text AS schema FROM unnest(${versions.map(({ name }) => name)}::text[], ${versions.map(({ version }) => version)}::int[]) AS p(n, i)
      JOIN event_type_versions v ON v.tenant_id = ${tenantId}::uuid AND v.name = p.n AND v.version = p.i`);
}

/**
 * The `data` of the newest events of a type, at most `limit` of them and `maxBytes` together. A backward walk of the log's
 * primary key; raw for the running total.
 */
export async function readSample(tx: Tx, tenantId: string, eventType: string, limit: number, maxBytes: number): Promise<string[]> {
  const rows = await tx.$queryRaw<{ data: string }[]>(Prisma.sql`
    SELECT data FROM (
      SELECT data, sum(octet_length(data)) OVER (ORDER BY recorded_at DESC, event_id DESC) AS total FROM (
        SELECT data::text AS data, recorded_at, event_id FROM events WHERE tenant_id = ${tenantId}::uuid AND event_type = ${eventType} ORDER BY recorded_at DESC, event_id DESC LIMIT ${limit}
      ) newest
    ) counted WHERE total <= ${maxBytes}`);
  return rows.map(({ data }) => data);
}
