import { Injectable } from '@nestjs/common';
import { Audit, type Caller, differenceOf } from '../../auth/index.js';
import { Clock, Config, pageOf, type Prisma, Problem, readCursor, type Schedule, type Tx, uuidv7 } from '../../platform/index.js';
import { findDataset, requireScope } from '../datasets/datasets.js';
import { Destinations } from '../destinations/destinations.js';
import type { ExportOptions } from '../exports/exports.dto.js';
import { readOptions } from '../exports/plan.js';
import { ScheduleRuns, timetableOf } from './runs.js';
import type { ChangeSchedule, CreateSchedule, ReplaceSchedule, SchedulePage, ScheduleRunPage, ScheduleRunView, ScheduleView } from './schedules.dto.js';
import { lockSchedule, lockScheduleQuota } from './schedules.sql.js';
import { CADENCES, daysAt, daysNow, dueAfter, findTimetableFaults, startOf, type Timetable } from './timetable.js';

const SHOWN_RUNS = 5;

/** Exports that are made again and again, as callers see them. {@link ScheduleLoop} starts them. */
@Injectable()
export class Schedules {
  constructor(private readonly clock: Clock, private readonly config: Config, private readonly audit: Audit, private readonly destinations: Destinations, private readonly runs: ScheduleRuns) {}

  async create(tx: Tx, caller: Caller, fields: CreateSchedule): Promise<ScheduleView> {
    const timetable = timetableFrom(fields);
    await this.check(tx, caller, timetable, fields.export);
    await this.requirePlace(tx, caller);
    const now = this.clock.now();
    const row = await tx.schedule.create({
      data: { scheduleId: uuidv7(now), tenantId: caller.tenantId, name: fields.name, ...columnsOf(timetable), ...this.plan(timetable, fields.is_active), ...optionsOf(fields.export), createdAt: new Date(now), updatedAt: new Date(now) },
    });
    await this.record(tx, caller, 'created', row, { after: auditedOf(row) });
    return viewOf(row);
  }

  async list(tx: Tx, caller: Caller, limit: number, cursor?: string): Promise<SchedulePage> {
    const after = readCursor(cursor);
    const rows = await tx.schedule.findMany({ where: { tenantId: caller.tenantId, ...(after && { scheduleId: { lt: after[1] } }) }, orderBy: { scheduleId: 'desc' }, take: limit + 1 });
    return pageOf(rows, limit, (row) => [row.createdAt.toISOString(), row.scheduleId], shortViewOf);
  }

  async get(tx: Tx, caller: Caller, scheduleId: string): Promise<ScheduleView> {
    return viewOf(await this.find(tx, caller, scheduleId));
  }

  /** Sets every field; those left out get their defaults. */
  async replace(tx: Tx, caller: Caller, scheduleId: string, fields: ReplaceSchedule): Promise<ScheduleView> {
    return this.update(tx, caller, await this.lock(tx, caller, scheduleId), fields);
  }

  /** Sets the fields given, and those of another cadence back. */
  async change(tx: Tx, caller: Caller, scheduleId: string, changes: ChangeSchedule): Promise<ScheduleView> {
    return this.update(tx, caller, await this.lock(tx, caller, scheduleId), changes);
  }

  /** Deletes a schedule with its history. The exports that it has made stay. */
  async delete(tx: Tx, caller: Caller, scheduleId: string): Promise<void> {
    const before = await this.lock(tx, caller, scheduleId);
    await tx.schedule.delete({ where: { scheduleId } });
    await this.record(tx, caller, 'deleted', before, { before: auditedOf(before) });
  }

  /** Starts a run out of turn, also of one that is not active. `runId` is given where the same request must not start another one. When it is due next stays as it is. */
  async run(tx: Tx, caller: Caller, scheduleId: string, runId = uuidv7(this.clock.now())): Promise<ScheduleRunView> {
    const row = await this.lock(tx, caller, scheduleId);
    const known = await tx.scheduleRun.findFirst({ where: { runId, scheduleId } });
    if (known) return this.runs.view(tx, known);
    requireScopeOf(caller, row.options as unknown as ExportOptions);
    const run = await this.runs.start(tx, caller, row, daysNow(timetableOf(row), this.clock.now()), null, runId);
    await this.record(tx, caller, 'run', row, { after: { run_id: runId, export_id: run.exportId } });
    return this.runs.view(tx, run);
  }

  async history(tx: Tx, caller: Caller, scheduleId: string, limit: number, cursor?: string): Promise<ScheduleRunPage> {
    await this.find(tx, caller, scheduleId);
    return this.runs.list(tx, scheduleId, limit, cursor);
  }

  private async lock(tx: Tx, caller: Caller, scheduleId: string): Promise<Schedule> {
    await lockSchedule(tx, scheduleId);
    return this.find(tx, caller, scheduleId);
  }

  /** The row of a caller's schedule, or 404. */
  private async find(tx: Tx, caller: Caller, scheduleId: string): Promise<Schedule> {
    const row = await tx.schedule.findFirst({ where: { scheduleId, tenantId: caller.tenantId } });
    if (!row) throw Problem.notFound('schedule');
    return row;
  }

  private async update(tx: Tx, caller: Caller, before: Schedule, fields: ChangeSchedule): Promise<ScheduleView> {
    const { scheduleId } = before;
    const [old, timetable] = [timetableOf(before), timetableFrom(fields, timetableOf(before))];
    const isActive = fields.is_active ?? before.isActive;
    await this.check(tx, caller, timetable, fields.export, before);
    // What is due already stays so, unless it is another time that counts.
    const isMoved = isActive !== before.isActive || JSON.stringify(columnsOf(old)) !== JSON.stringify(columnsOf(timetable));
    const row = await tx.schedule.update({
      where: { scheduleId },
      data: { name: fields.name, ...columnsOf(timetable), ...(isMoved && this.plan(timetable, isActive)), ...(fields.export && optionsOf(fields.export)), updatedAt: new Date(this.clock.now()) },
    });
    await this.record(tx, caller, 'changed', row, differenceOf(auditedOf(before), auditedOf(row)));
    return viewOf(row);
  }

  /** Refuses what cannot be run, and whoever may not read what it exports. */
  private async check(tx: Tx, caller: Caller, timetable: Timetable, options: ExportOptions | undefined, stored?: Schedule): Promise<void> {
    const faults = findTimetableFaults(timetable);
    const plan = options && readOptions(options, '/export');
    if (Array.isArray(plan)) faults.push(...plan);
    if (options?.destination_id && !(await this.destinations.isKnown(tx, caller, options.destination_id))) faults.push({ pointer: '/export/destination_id', detail: 'is no destination' });
    if (faults.length > 0) throw Problem.invalid(...faults);
    requireScopeOf(caller, options ?? (stored!.options as unknown as ExportOptions));
  }

  private async requirePlace(tx: Tx, caller: Caller): Promise<void> {
    const limit = this.config.SCHEDULES_PER_TENANT;
    await lockScheduleQuota(tx, caller.tenantId);
    if ((await tx.schedule.count({ where: { tenantId: caller.tenantId } })) >= limit) throw new Problem('conflict', `The tenant has ${limit} schedules, which is the limit (SCHEDULES_PER_TENANT). Delete one first.`);
  }

  /** When it is due, from now on. */
  private plan(timetable: Timetable, isActive: boolean): Pick<Schedule, 'isActive' | 'dueAt' | 'startsAt'> {
    return { isActive, ...planOf(timetable, isActive ? dueAfter(timetable, this.clock.now()) : undefined) };
  }

  private record(tx: Tx, caller: Caller, verb: string, { scheduleId }: Schedule, change: { before?: object; after?: object }): Promise<void> {
    return this.audit.record(tx, caller, { action: `schedule.${verb}`, subject_type: 'schedule', subject_id: scheduleId, ...change });
  }
}

/** The columns that say when it is due next, and from when on that may start. */
export function planOf(timetable: Timetable, due: number | undefined): Pick<Schedule, 'dueAt' | 'startsAt'> {
  return due === undefined ? { dueAt: null, startsAt: null } : { dueAt: new Date(due), startsAt: new Date(startOf(timetable, due, daysAt(timetable, due))) };
}

/** What is asked for, over what is stored as far as that fits. */
function timetableFrom({ cadence: asked, at, weekday, day_of_month, timezone, window }: ChangeSchedule, stored?: Timetable): Timetable {
  const cadence = asked ?? stored!.cadence;
  const kept = <Value>(given: Value | undefined, value: Value | undefined, fits: boolean): Value | null => (given !== undefined ? given : fits && value !== undefined ? value : null);
  return {
    cadence, at: kept(at, stored?.at, (CADENCES as readonly string[]).includes(cadence)), weekday: kept(weekday, stored?.weekday, cadence === 'weekly'),
    day_of_month: kept(day_of_month, stored?.day_of_month, cadence === 'monthly'), timezone: timezone ?? stored!.timezone, window: window ?? stored!.window,
  };
}

function columnsOf({ day_of_month, window, ...same }: Timetable): Pick<Schedule, 'cadence' | 'at' | 'weekday' | 'dayOfMonth' | 'timezone' | 'windowKind'> {
  return { ...same, dayOfMonth: day_of_month, windowKind: window };
}

function requireScopeOf(caller: Caller, options: ExportOptions): void {
  const dataset = findDataset(options.dataset);
  if (dataset) requireScope(caller, dataset);
}

/** As it was sent, without what was left out. */
function optionsOf(options: ExportOptions): { options: Prisma.InputJsonObject; destinationId: string | null } {
  return { options: JSON.parse(JSON.stringify(options)) as Prisma.InputJsonObject, destinationId: options.destination_id ?? null };
}

function auditedOf(row: Schedule): Record<string, unknown> {
  return { name: row.name, ...timetableOf(row), export: row.options, is_active: row.isActive };
}

function shortViewOf(row: Schedule): ScheduleView {
  return {
    schedule_id: row.scheduleId, name: row.name, ...timetableOf(row), export: row.options as unknown as ExportOptions, is_active: row.isActive, next_due_at: row.dueAt?.toISOString() ?? null,
    created_at: row.createdAt.toISOString(), updated_at: row.updatedAt.toISOString(),
  };
}

function viewOf(row: Schedule): ScheduleView {
  const timetable = timetableOf(row);
  const next_runs = [];
  for (let due = row.dueAt?.getTime(); due !== undefined && next_runs.length < SHOWN_RUNS; due = dueAfter(timetable, due)) {
    const days = daysAt(timetable, due);
    next_runs.push({ due_at: new Date(due).toISOString(), starts_at: new Date(startOf(timetable, due, days)).toISOString(), ...days });
  }
  return { ...shortViewOf(row), next_runs };
}
