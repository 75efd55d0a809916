import { Injectable } from '@nestjs/common';
import type { Caller } from '../../auth/index.js';
import { Events } from '../../events/index.js';
import { Clock, dayOf, type Export, laneOn, pageOf, Problem, readCursor, type Schedule, type ScheduleRun, type Tx, uuidv7 } from '../../platform/index.js';
import type { ExportOptions } from '../exports/exports.dto.js';
import { Exports } from '../exports/exports.js';
import type { ScheduleRunPage, ScheduleRunView } from './schedules.dto.js';
import { dropRunsBeyond } from './schedules.sql.js';
import type { Days, Timetable } from './timetable.js';

/** What a schedule remembers. */
const KEPT_RUNS = 1_000;

type State = Pick<Export, 'exportId' | 'status' | 'rowCount' | 'byteCount' | 'error'>;

/** What schedules have done. */
@Injectable()
export class ScheduleRuns {
  constructor(private readonly clock: Clock, private readonly exports: Exports, private readonly events: Events) {}

  /**
   * Puts a run on record and queues its export, in the transaction that holds the schedule's row. An export that cannot be made any more is refused
   * to who asks for it out of turn; one that was due is on record with the reason, and on the log as `export.failed`.
   */
  async start(tx: Tx, caller: Caller, schedule: Schedule, { from, to }: Days, dueAt: Date | null, runId: string): Promise<ScheduleRun> {
    const createdAt = new Date(this.clock.now());
    const exportId = uuidv7(createdAt.getTime());
    const { scheduleId } = schedule;
    const run = await tx.scheduleRun.create({ data: { runId, scheduleId, dueAt, fromDay: new Date(from), toDay: new Date(to), exportId, createdAt } });
    await dropRunsBeyond(tx, scheduleId, KEPT_RUNS);
    await tx.schedule.update({ where: { scheduleId }, data: { exportId } });
    const options = schedule.options as unknown as ExportOptions;
    try {
      await this.exports.create(tx, caller, { ...options, from, to }, exportId);
      return run;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (!dueAt) throw new Problem('conflict', `Its export cannot be made any more: ${error.detail}`);
      const data = { export_id: exportId, schedule_id: scheduleId, dataset: options.dataset, format: options.format, from, to, error: error.detail };
      await this.events.append(laneOn(tx), caller.tenantId, [{ eventType: 'export.failed', data: JSON.stringify(data), metadata: '{}' }]);
      return tx.scheduleRun.update({ where: { runId }, data: { error: error.detail } });
    }
  }

  async list(tx: Tx, scheduleId: string, limit: number, cursor?: string): Promise<ScheduleRunPage> {
    const after = readCursor(cursor);
    const rows = await tx.scheduleRun.findMany({
      where: { scheduleId, ...(after && { OR: [{ createdAt: { lt: new Date(after[0]) } }, { createdAt: new Date(after[0]), runId: { lt: after[1] } }] }) },
      orderBy: [{ createdAt: 'desc' }, { runId: 'desc' }], take: limit + 1,
    });
    const states = await this.statesOf(tx, rows);
    return pageOf(rows, limit, (row) => [row.createdAt.toISOString(), row.runId], (row) => viewOf(row, states.get(row.exportId)));
  }

  async view(tx: Tx, run: ScheduleRun): Promise<ScheduleRunView> {
    return viewOf(run, (await this.statesOf(tx, [run])).get(run.exportId));
  }

  private async statesOf(tx: Tx, runs: ScheduleRun[]): Promise<Map<string, State>> {
    const states = await tx.export.findMany({ where: { exportId: { in: runs.map(({ exportId }) => exportId) } }, select: { exportId: true, status: true, rowCount: true, byteCount: true, error: true } });
    return new Map(states.map((state) => [state.exportId, state]));
  }
}

/** A schedule's row as what {@link Timetable} says of it. */
export function timetableOf({ cadence, at, weekday, dayOfMonth, timezone, windowKind }: Schedule): Timetable {
  return { cadence, at, weekday, day_of_month: dayOfMonth, timezone, window: windowKind };
}

function viewOf(run: ScheduleRun, state: State | undefined): ScheduleRunView {
  const status = run.error !== null ? 'failed' : !state || state.status === 'deleting' ? 'deleted' : state.status === 'publishing' ? 'running' : state.status;
  return {
    run_id: run.runId, schedule_id: run.scheduleId, trigger: run.dueAt ? 'schedule' : 'manual', due_at: run.dueAt?.toISOString() ?? null, created_at: run.createdAt.toISOString(),
    from: dayOf(run.fromDay), to: dayOf(run.toDay), export_id: run.error === null ? run.exportId : null, status,
    row_count: state ? Number(state.rowCount) : null, byte_count: state ? Number(state.byteCount) : null, error: run.error ?? state?.error ?? null,
  };
}
