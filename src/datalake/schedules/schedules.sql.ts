import { Prisma, type Tx } from '../../platform/index.js';

/** Holds a schedule's row until the transaction ends, so that of two changes, or of a change and a run, the second sees the first. Raw because Prisma has no row locks. */
export async function lockSchedule(tx: Tx, scheduleId: string): Promise<void> {
  await tx.$queryRaw(Prisma.sql`SELECT 1 FROM schedules WHERE schedule_id = ${scheduleId}::uuid FOR NO KEY UPDATE`);
}

/** Makes others who add a schedule to the tenant wait until the transaction ends, so that the next statement counts theirs. */
export async function lockScheduleQuota(tx: Tx, tenantId: string): Promise<void> {
  await tx.$executeRaw(Prisma.sql`SELECT pg_advisory_xact_lock(hashtextextended('schedules of ' || ${tenantId}, 0))`);
}

/**
 * Takes the schedule that has been due for the longest, until the transaction ends; one whose last export is under way is passed over, and so
 * is one that another process has. Raw for the row lock. Leans on the partial index on starts_at, and the key of exports.
 */
export async function lockDue(tx: Tx, now: Date): Promise<string | undefined> {
  const [row] = await tx.$queryRaw<{ schedule_id: string }[]>(Prisma.sql`
    SELECT schedule_id FROM schedules s
     WHERE starts_at <= ${now} AND NOT EXISTS (SELECT FROM exports e WHERE e.export_id = s.export_id AND e.status IN ('queued', 'running', 'publishing'))
     ORDER BY starts_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED`);
  return row?.schedule_id;
}

/** Drops the runs of a schedule but the latest. Leans on the index on (schedule_id, created_at, run_id). */
export async function dropRunsBeyond(tx: Tx, scheduleId: string, kept: number): Promise<void> {
  await tx.$executeRaw(Prisma.sql`
    DELETE FROM schedule_runs WHERE schedule_id = ${scheduleId}::uuid
       AND (created_at, run_id) <= (SELECT created_at, run_id FROM schedule_runs WHERE schedule_id = ${scheduleId}::uuid ORDER BY created_at DESC, run_id DESC OFFSET ${kept}::int LIMIT 1)`);
}
