import { type BeforeApplicationShutdown, Injectable } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import type { Caller } from '../../auth/index.js';
import { Clock, Config, Database, isDatabaseAway, Log, type Schedule, type ScheduleRun, Turns, type Tx, uuidv7 } from '../../platform/index.js';
import { Exports } from '../exports/exports.js';
import { ScheduleRuns, timetableOf } from './runs.js';
import { planOf } from './schedules.js';
import { lockDue, lockSchedule } from './schedules.sql.js';
import { daysOfDue, dueAfter, dueNext, dueNow } from './timetable.js';

/** How often a process looks whether something is due. */
const LOOK_MS = 1_000;
/** After a failure of ours that is not the database's absence. */
const FAILED_REST_MS = 60_000;

/**
 * Starts what is due. Whoever does holds the schedule's row, and the run, its export and when the schedule is due next are one commit: of several
 * processes one starts a run, and one that dies has started it or not. One export of a schedule is under way at a time; what comes due
 * meanwhile waits like what was missed while nobody ran.
 */
@Injectable()
export class ScheduleLoop implements BeforeApplicationShutdown {
  private looking: Promise<void> | undefined;
  private closed = false;

  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly config: Config,
    private readonly log: Log,
    private readonly runs: ScheduleRuns,
    private readonly exports: Exports,
  ) {}

  @Interval(LOOK_MS)
  look(): void {
    if (!this.config.runsWorkers || this.closed) return;
    this.looking ??= this.startAll().finally(() => (this.looking = undefined));
  }

  /** Lets the run end that is being started. */
  async beforeApplicationShutdown(): Promise<void> {
    this.closed = true;
    await this.looking;
  }

  /**
   * Takes schedules back that are due later than their calendar says: the clock was ahead for a while, and they were planned by it. What has been
   * run stays so.
   */
  @Interval(600_000)
  async replan(): Promise<void> {
    if (!this.config.runsWorkers) return;
    try {
      const now = this.clock.now();
      const rows = await this.db.client.schedule.findMany({ where: { dueAt: { gt: new Date(now) } } });
      const turns = new Turns();
      for (const row of rows) {
        if (dueAfter(timetableOf(row), now)! < row.dueAt!.getTime()) await this.db.transaction((tx) => this.takeBack(tx, row.scheduleId));
        if (turns.isOver) await turns.next();
      }
    } catch (error) {
      if (!isDatabaseAway(error)) this.log.error({ err: error }, 'planning schedules again failed');
    }
  }

  private async startAll(): Promise<void> {
    while (!this.closed && (await this.startNext()));
  }

  /** False when nothing is due, or the database is away. */
  private async startNext(): Promise<boolean> {
    let held: string | undefined;
    try {
      // Mostly there is nothing, which takes no transaction to find out.
      if (!(await this.db.client.schedule.findFirst({ where: { startsAt: { lte: new Date(this.clock.now()) } }, select: { scheduleId: true } }))) return false;
      const started = await this.db.transaction(async (tx) => {
        const now = this.clock.now();
        held = await lockDue(tx, new Date(now));
        return held === undefined ? undefined : this.start(tx, await tx.schedule.findUniqueOrThrow({ where: { scheduleId: held } }), now);
      });
      if (!started) return false;
      this.exports.wake();
      this.tell(started);
      return true;
    } catch (error) {
      if (isDatabaseAway(error)) return false;
      this.log.error({ err: error, schedule_id: held }, 'starting what a schedule has due failed');
      if (held !== undefined) await this.rest(held);
      return false;
    }
  }

  /** Whoever made the schedule may be gone, and their key revoked: it acts for its tenant, and the audit log names it as the one who did. */
  private async start(tx: Tx, schedule: Schedule, now: number): Promise<{ schedule: Schedule; run: ScheduleRun | undefined }> {
    const { scheduleId, tenantId } = schedule;
    const timetable = timetableOf(schedule);
    const due = dueNow(timetable, schedule.dueAt!.getTime(), now);
    const dueAt = new Date(due);
    await tx.schedule.update({ where: { scheduleId }, data: planOf(timetable, dueNext(timetable, due, now)) });
    // Where the clock went back.
    if (await tx.scheduleRun.findFirst({ where: { scheduleId, dueAt } })) return { schedule, run: undefined };
    const caller: Caller = { tenantId, keyId: scheduleId, scopes: ['*'] };
    return { schedule, run: await this.runs.start(tx, caller, schedule, daysOfDue(timetable, due, now), dueAt, uuidv7(now)) };
  }

  private async takeBack(tx: Tx, scheduleId: string): Promise<void> {
    await lockSchedule(tx, scheduleId);
    const row = await tx.schedule.findUnique({ where: { scheduleId } });
    if (!row?.dueAt) return;
    const timetable = timetableOf(row);
    const latest = row.dueAt.getTime();
    let due = dueAfter(timetable, this.clock.now()) ?? latest;
    while (due < latest && (await tx.scheduleRun.findFirst({ where: { scheduleId, dueAt: new Date(due) } }))) due = dueAfter(timetable, due) ?? latest;
    if (due < latest) await tx.schedule.update({ where: { scheduleId }, data: planOf(timetable, due) });
  }

  private async rest(scheduleId: string): Promise<void> {
    const startsAt = new Date(this.clock.now() + FAILED_REST_MS);
    await this.db.client.schedule.updateMany({ where: { scheduleId, startsAt: { lt: startsAt } }, data: { startsAt } }).catch(() => {});
  }

  private tell({ schedule: { scheduleId, tenantId }, run }: { schedule: Schedule; run: ScheduleRun | undefined }): void {
    if (!run) return;
    const line = { schedule_id: scheduleId, tenant_id: tenantId, run_id: run.runId, export_id: run.exportId, due_at: run.dueAt, late_ms: run.createdAt.getTime() - run.dueAt!.getTime() };
    if (run.error === null) this.log.info(line, 'scheduled export');
    else this.log.warn({ ...line, reason: run.error }, 'scheduled export');
  }
}
