import { Prisma, type Tx } from '../platform/index.js';

/** A row of the audit log. `before` and `after` are JSON text, as it was hashed. */
export interface AuditRow {
  tenant_id: string;
  sequence: bigint;
  recorded_at: Date;
  key_id: string;
  request_id: string | null;
  action: string;
  subject_type: string;
  subject_id: string;
  before: string | null;
  after: string | null;
  previous_hash: Uint8Array;
  hash: Uint8Array;
}

/** The end of a tenant's chain. */
export interface AuditHead {
  sequence: bigint;
  hash: Uint8Array;
}

export interface AuditFilter {
  action?: string;
  subjectId?: string;
  from?: Date;
  to?: Date;
}

const COLUMNS = Prisma.sql`tenant_id, sequence, recorded_at, key_id, request_id, action, subject_type, subject_id, before::text AS before, after::text AS after, previous_hash, hash`;

/** Makes other writers to a tenant's chain wait until the transaction ends. A statement of its own, so that the next one sees what they committed. */
export async function lockAudit(tx: Tx, tenantId: string): Promise<void> {
  await tx.$executeRaw(Prisma.sql`SELECT pg_advisory_xact_lock(hashtextextended('audit log of ' || ${tenantId}, 0))`);
}

/** The end of a tenant's chain; undefined while it is empty. The last entry of the primary key. */
export async function readAuditHead(tx: Tx, tenantId: string): Promise<AuditHead | undefined> {
  const [head] = await tx.$queryRaw<AuditHead[]>(Prisma.sql`SELECT sequence, hash FROM audit_log WHERE tenant_id = ${tenantId}::uuid ORDER BY sequence DESC LIMIT 1`);
  return head;
}

/** Raw because Prisma would rewrite the JSON text that the hash was made over. */
export async function insertAuditRow(tx: Tx, row: AuditRow): Promise<void> {
  await tx.$executeRaw(Prisma.sql`
    INSERT INTO audit_log (tenant_id, sequence, recorded_at, key_id, request_id, action, subject_type, subject_id, before, after, previous_hash, hash)
    VALUES (${row.tenant_id}::uuid, ${row.sequence}, ${row.recorded_at}, ${row.key_id}::uuid, ${row.request_id}, ${row.action}, ${row.subject_type}, ${row.subject_id},
            ${row.before}::json, ${row.after}::json, ${row.previous_hash}, ${row.hash})`);
}

/** A page of the log, newest first: a backward walk of the primary key, or of the subject's index. Raw for the same reason. */
export async function listAuditRows(tx: Tx, tenantId: string, filter: AuditFilter, beforeSequence: bigint | undefined, limit: number): Promise<AuditRow[]> {
  const where = [
    Prisma.sql`tenant_id = ${tenantId}::uuid`,
    ...(filter.action ? [Prisma.sql`action = ${filter.action}`] : []),
    ...(filter.subjectId ? [Prisma.sql`subject_id = ${filter.subjectId}`] : []),
    ...(filter.from ? [Prisma.sql`recorded_at >= ${filter.from}`] : []),
    ...(filter.to ? [Prisma.sql`recorded_at < ${filter.to}`] : []),
    ...(beforeSequence === undefined ? [] : [Prisma.sql`sequence < ${beforeSequence}`]),
  ];
  return tx.$queryRaw<AuditRow[]>(Prisma.sql`SELECT ${COLUMNS} FROM audit_log WHERE ${Prisma.join(where, ' AND ')} ORDER BY sequence DESC LIMIT ${limit}`);
}

/** The next rows of a tenant's chain in order, up to `upTo`: a walk of the primary key. */
export async function readAuditChunk(tx: Tx, tenantId: string, after: bigint, upTo: bigint, limit: number): Promise<AuditRow[]> {
  return tx.$queryRaw<AuditRow[]>(Prisma.sql`
    SELECT ${COLUMNS} FROM audit_log WHERE tenant_id = ${tenantId}::uuid AND sequence > ${after} AND sequence <= ${upTo} ORDER BY sequence LIMIT ${limit}`);
}
