import { Prisma, type Tx } from '../../platform/index.js';

/** How long a claim holds without a sign of life. By the clock of Postgres, which all processes share. */
export const LEASE_SECONDS = 5;

/** What still needs somebody: to be written, shown or removed, or its leftovers to be discarded. The condition of the partial index on (run_at). */
const OPEN = Prisma.sql`(e.status IN ('queued', 'running', 'publishing', 'deleting') OR e.leftovers)`;

/**
 * Claims an export that nobody works on: first those that were begun, then of the tenant with the fewest under way and, among
 * those, the one whose turn is longest ago. One of a lake that another export is changing waits. Answers its id.
 *
 * Raw for its locking and its order. Leans on the partial index on (run_at), by which only open exports are seen, and on those on
 * (lake_key) and (tenant_id, started_at). The advisory lock makes the rule "one per lake" hold between two that claim at once; the
 * unique index on (lake_key) would else refuse the second.
 */
export async function claimNext(tx: Tx, claim: string, now: Date): Promise<string | undefined> {
  await lockClaims(tx);
  const [row] = await tx.$queryRaw<{ export_id: string }[]>(Prisma.sql`
    WITH next AS (
      SELECT e.export_id FROM exports e
       WHERE ${OPEN} AND e.run_at <= ${now} AND (e.lease_until IS NULL OR e.lease_until < clock_timestamp())
         AND (e.status <> 'queued' OR e.lake_key IS NULL OR NOT EXISTS (
           SELECT FROM exports o WHERE o.lake_key = e.lake_key AND o.status IN ('running', 'publishing', 'deleting')))
       ORDER BY e.status = 'queued', (SELECT count(*) FROM exports o WHERE o.tenant_id = e.tenant_id AND o.status IN ('running', 'publishing')),
                (SELECT max(o.started_at) FROM exports o WHERE o.tenant_id = e.tenant_id) NULLS FIRST, e.created_at, e.export_id
       LIMIT 1 FOR UPDATE OF e SKIP LOCKED)
    UPDATE exports e SET status = CASE e.status WHEN 'queued' THEN 'running' ELSE e.status END, claimed_by = ${claim}::uuid,
           lease_until = ${leaseEnd()}, started_at = CASE WHEN e.status = 'queued' THEN coalesce(e.started_at, ${now}) ELSE e.started_at END
      FROM next WHERE e.export_id = next.export_id RETURNING e.export_id`);
  return row?.export_id;
}

/** Whether there may be something to claim. Asked often, so that the lock of {@link claimNext} is not. */
export async function isAnyOpen(tx: Tx, now: Date): Promise<boolean> {
  const rows = await tx.$queryRaw<object[]>(Prisma.sql`
    SELECT FROM exports e WHERE ${OPEN} AND e.run_at <= ${now} AND (e.lease_until IS NULL OR e.lease_until < clock_timestamp()) LIMIT 1`);
  return rows.length > 0;
}

export interface Progress {
  rows: number;
  readBytes: number;
  bytes: number;
}

/** A sign of life, with how far it is. False when the claim holds no longer: it was cancelled, or another has taken it over. */
export async function extendLease(tx: Tx, exportId: string, claim: string, { rows, readBytes, bytes }: Progress): Promise<boolean> {
  const count = await tx.$executeRaw(Prisma.sql`
    UPDATE exports SET lease_until = ${leaseEnd()}, row_count = ${rows}::bigint, read_bytes = ${readBytes}::bigint, byte_count = ${bytes}::bigint
     WHERE export_id = ${exportId}::uuid AND claimed_by = ${claim}::uuid`);
  return count === 1;
}

/** A request's own claim on an export that it is about to delete. False while another export changes the lake. */
export async function claimDeletion(tx: Tx, exportId: string, claim: string): Promise<boolean> {
  await lockClaims(tx);
  const count = await tx.$executeRaw(Prisma.sql`
    UPDATE exports e SET status = 'deleting', claimed_by = ${claim}::uuid, lease_until = ${leaseEnd()}
     WHERE e.export_id = ${exportId}::uuid AND (e.lake_key IS NULL OR NOT EXISTS (SELECT FROM exports o WHERE o.lake_key = e.lake_key AND o.status IN ('running', 'publishing', 'deleting')))`);
  return count === 1;
}

/** Locks an export's row, so that what is read of it next holds. */
export async function lockExport(tx: Tx, exportId: string): Promise<void> {
  await tx.$queryRaw(Prisma.sql`SELECT FROM exports WHERE export_id = ${exportId}::uuid FOR UPDATE`);
}

/**
 * Of an export's files those that no other export which has succeeded in the same lake has as well: a later one with the same content, or
 * an earlier one from which this one kept them. They go with it. What it wrote itself is its own, though an earlier one
 * once wrote the same: else a day might stay without the part in which they differ.
 * Leans on the index on (lake_key, finished_at) and the key of export_files.
 */
export async function filesOfItsOwn(tx: Tx, exportId: string): Promise<{ key: string; etag: string | null }[]> {
  return tx.$queryRaw(Prisma.sql`
    SELECT f.key, f.etag FROM export_files f JOIN exports e USING (export_id)
     WHERE f.export_id = ${exportId}::uuid AND NOT EXISTS (
       SELECT FROM exports o JOIN export_files g USING (export_id)
        WHERE o.lake_key = e.lake_key AND o.export_id <> e.export_id AND o.status = 'succeeded' AND g.key = f.key AND g.sha256 = f.sha256
          AND (f.state = 'kept' OR o.finished_at > e.finished_at))
     ORDER BY f.key`);
}

/** Has private exports that succeeded before a time deleted with their files, and forgets those that did not. Reads a table of thousands; hourly. */
export async function expireBefore(tx: Tx, before: Date, now: Date): Promise<number> {
  const forgotten = await tx.$executeRaw(Prisma.sql`DELETE FROM exports WHERE finished_at < ${before} AND status IN ('failed', 'cancelled') AND NOT leftovers`);
  return forgotten + (await tx.$executeRaw(Prisma.sql`UPDATE exports SET status = 'deleting', run_at = ${now}, failures = 0 WHERE finished_at < ${before} AND status = 'succeeded' AND target = 'private'`));
}

/** When the oldest export began that is not at its end. What stands since then may be its own, on record only once a whole partition is staged. */
export async function oldestUnderWay(tx: Tx): Promise<Date | undefined> {
  const [row] = await tx.$queryRaw<{ began: Date | null }[]>`SELECT min(started_at) AS began FROM exports WHERE status IN ('running', 'publishing')`;
  return row?.began ?? undefined;
}

/** The days (`YYYYMMDD`) or months (`YYYYMM`) that a dataset's table has partitions for. */
export async function partitionsOfTable(tx: Tx, table: string): Promise<Set<string>> {
  const rows = await tx.$queryRaw<{ unit: string }[]>`
    SELECT substring(c.relname FROM '[0-9]+$') AS unit FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = ${table}::regclass`;
  return new Set(rows.map(({ unit }) => unit));
}

/** Where exports have been written to. */
export async function findPlaces(tx: Tx): Promise<{ tenant_id: string; destination_id: string | null }[]> {
  return tx.$queryRaw(Prisma.sql`SELECT DISTINCT tenant_id, destination_id FROM exports`);
}

/** Exports by what they are doing. */
export async function countByStatus(tx: Tx): Promise<{ status: string; count: number }[]> {
  return tx.$queryRaw(Prisma.sql`SELECT status, count(*)::float8 AS count FROM exports GROUP BY status`);
}

async function lockClaims(tx: Tx): Promise<void> {
  await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtext('lakehook exports'))`;
}

function leaseEnd(): Prisma.Sql {
  return Prisma.sql`clock_timestamp() + make_interval(secs => ${LEASE_SECONDS}::int)`;
}
