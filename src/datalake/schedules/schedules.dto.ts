import { ApiProperty, ApiPropertyOptional, PartialType } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { IsBoolean, IsIn, IsInt, IsObject, IsOptional, IsString, Length, Matches, Max, Min, ValidateNested } from 'class-validator';
import { IfGiven } from '../../platform/index.js';
import { ExportOptions } from '../exports/exports.dto.js';
import { WEEKDAYS, WINDOWS } from './timetable.js';

const TRIGGERS = ['schedule', 'manual'] as const;
const STATUSES = ['queued', 'running', 'succeeded', 'failed', 'cancelled', 'deleted'] as const;

/** The fields of a schedule that its owner sets. */
export class ReplaceSchedule {
  /** For people. */
  @ApiProperty({ example: 'Costs for Athena' })
  @IsString() @Length(1, 200) @Matches(/^[^\0]*$/, { message: 'must not hold \\u0000' })
  name: string;

  /** `daily`, `weekly`, `monthly`, or a cron expression of five fields, such as `0 6 * * 1-5`. */
  @ApiProperty({ example: 'daily' })
  @IsString() @Length(1, 200)
  cadence: string;

  /** The time of the day, `HH:MM`; midnight by default. Not for cron. */
  @ApiPropertyOptional({ type: String, example: '06:30', nullable: true })
  @IsOptional() @IsString() @Matches(/^([01]\d|2[0-3]):[0-5]\d$/, { message: 'must be a time of the day, from 00:00 to 23:59' })
  at: string | null = null;

  /** Of a weekly one; Monday by default. */
  @ApiPropertyOptional({ enum: WEEKDAYS, nullable: true })
  @IsOptional() @IsIn(WEEKDAYS, { message: `must be one of ${WEEKDAYS.join(', ')}` })
  weekday: string | null = null;

  /** Of a monthly one, 1 to 31; the first by default. Months that are shorter have their last day instead. */
  @ApiPropertyOptional({ type: Number, minimum: 1, maximum: 31, nullable: true })
  @IsOptional() @IsInt() @Min(1) @Max(31)
  day_of_month: number | null = null;

  /** Whose clocks and calendar count: a name of the IANA database. */
  @ApiPropertyOptional({ example: 'Europe/Berlin', default: 'UTC' })
  @IfGiven() @IsString() @Length(1, 100)
  timezone: string = 'UTC';

  /** Which days each run exports. `previous_period`: the previous month of a monthly, the previous week (from Monday) of a weekly one, else the days since it was due before, at the least the previous day. `all`: everything. */
  @ApiPropertyOptional({ enum: WINDOWS, default: 'previous_period' })
  @IfGiven() @IsIn(WINDOWS, { message: `must be one of ${WINDOWS.join(', ')}` })
  window: string = 'previous_period';

  /** What to export and how: as in `POST /v1/datalake/exports`, without the days. */
  @IsObject() @ValidateNested() @Type(() => ExportOptions)
  export: ExportOptions;

  /** `false`: it is not due, and what it misses is not made up for. */
  @IfGiven() @IsBoolean()
  is_active: boolean = true;
}

export class CreateSchedule extends ReplaceSchedule {}

export class ChangeSchedule extends PartialType(ReplaceSchedule, { skipNullProperties: false }) {
  constructor() {
    super();
    // PartialType copies the defaults too: a change of one field would reset all others to them.
    for (const name of Object.keys(this)) Reflect.deleteProperty(this, name);
  }
}

export class DueRun {
  due_at: string;
  /** When it can start: once its days are over in UTC. */
  starts_at: string;
  /** The first UTC day that it exports. */
  from: string;
  /** The day after the last one. */
  to: string;
}

export class ScheduleView {
  schedule_id: string;
  name: string;
  cadence: string;
  @ApiProperty({ type: String, nullable: true })
  at: string | null;
  @ApiProperty({ enum: WEEKDAYS, nullable: true })
  weekday: string | null;
  @ApiProperty({ type: Number, nullable: true })
  day_of_month: number | null;
  timezone: string;
  @ApiProperty({ enum: WINDOWS })
  window: string;
  export: ExportOptions;
  is_active: boolean;
  /** When it is due next, or was and has not started yet. */
  next_due_at: string | null;
  /** The next five times, where a single schedule is read. */
  @ApiProperty({ type: [DueRun] })
  next_runs?: DueRun[];
  created_at: string;
  updated_at: string;
}

export class SchedulePage {
  data: ScheduleView[];
  next_cursor: string | null;
}

export class ScheduleRunView {
  run_id: string;
  schedule_id: string;
  /** `manual`: out of turn, by `POST /v1/datalake/schedules/{schedule_id}/run`. */
  @ApiProperty({ enum: TRIGGERS })
  trigger: typeof TRIGGERS[number];
  /** When it was due; null out of turn. */
  due_at: string | null;
  created_at: string;
  from: string;
  /** The day after the last one. */
  to: string;
  /** Null where none could be made. */
  export_id: string | null;
  /** Of its export. */
  @ApiProperty({ enum: STATUSES })
  status: string;
  @ApiProperty({ type: Number, nullable: true })
  row_count: number | null;
  @ApiProperty({ type: Number, nullable: true })
  byte_count: number | null;
  error: string | null;
}

export class ScheduleRunPage {
  data: ScheduleRunView[];
  next_cursor: string | null;
}
