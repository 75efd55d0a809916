import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Put, Query, Req } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { Allow, type Caller, CurrentCaller } from '../auth/index.js';
import { Database, derivedUuid, PageQuery, UuidParam } from '../platform/index.js';
import { Exports } from './exports/exports.js';
import { ChangeSchedule, CreateSchedule, ReplaceSchedule, SchedulePage, ScheduleRunPage, ScheduleRunView, ScheduleView } from './schedules/schedules.dto.js';
import { Schedules } from './schedules/schedules.js';

const ScheduleId = () => Param('schedule_id', new UuidParam('schedule'));

/** The id of the run that a request under an `Idempotency-Key` starts: even a repeat after a crash between commit and answer finds it. */
function runIdOf({ headers, caller, url }: FastifyRequest): string | undefined {
  const key = headers['idempotency-key'];
  return key === undefined ? undefined : derivedUuid(caller!.tenantId, key, url);
}

@ApiTags('Data lake')
@ApiBearerAuth()
@Controller('v1/datalake/schedules')
export class SchedulesController {
  constructor(private readonly db: Database, private readonly schedules: Schedules, private readonly exports: Exports) {}

  /** Has an export made again and again. */
  @Post() @Allow('datalake:write')
  create(@CurrentCaller() caller: Caller, @Body() body: CreateSchedule): Promise<ScheduleView> {
    return this.db.transaction((tx) => this.schedules.create(tx, caller, body));
  }

  /** Lists schedules, newest first. */
  @Get() @Allow('datalake:read')
  list(@CurrentCaller() caller: Caller, @Query() { limit, cursor }: PageQuery): Promise<SchedulePage> {
    return this.schedules.list(this.db.client, caller, limit, cursor);
  }

  /** One schedule, with the next five times that it is due and the days it exports then. */
  @Get(':schedule_id') @Allow('datalake:read')
  get(@CurrentCaller() caller: Caller, @ScheduleId() id: string): Promise<ScheduleView> {
    return this.schedules.get(this.db.client, caller, id);
  }

  /** Replaces a schedule: fields left out get their defaults. */
  @Put(':schedule_id') @Allow('datalake:write')
  replace(@CurrentCaller() caller: Caller, @ScheduleId() id: string, @Body() body: ReplaceSchedule): Promise<ScheduleView> {
    return this.db.transaction((tx) => this.schedules.replace(tx, caller, id, body));
  }

  /** Changes the fields given. */
  @Patch(':schedule_id') @Allow('datalake:write')
  change(@CurrentCaller() caller: Caller, @ScheduleId() id: string, @Body() body: ChangeSchedule): Promise<ScheduleView> {
    return this.db.transaction((tx) => this.schedules.change(tx, caller, id, body));
  }

  /** Deletes a schedule with its history. The exports that it has made stay. */
  @Delete(':schedule_id') @HttpCode(204) @Allow('datalake:write')
  delete(@CurrentCaller() caller: Caller, @ScheduleId() id: string): Promise<void> {
    return this.db.transaction((tx) => this.schedules.delete(tx, caller, id));
  }

  /** Starts a run now. When it is due next stays as it is. */
  @Post(':schedule_id/run') @HttpCode(202) @Allow('datalake:write')
  async run(@CurrentCaller() caller: Caller, @ScheduleId() id: string, @Req() request: FastifyRequest): Promise<ScheduleRunView> {
    const run = await this.db.transaction((tx) => this.schedules.run(tx, caller, id, runIdOf(request)));
    this.exports.wake();
    return run;
  }

  /** What it has done, newest first: each export with its state. The last 1,000 runs. */
  @Get(':schedule_id/runs') @Allow('datalake:read')
  listRuns(@CurrentCaller() caller: Caller, @ScheduleId() id: string, @Query() { limit, cursor }: PageQuery): Promise<ScheduleRunPage> {
    return this.schedules.history(this.db.client, caller, id, limit, cursor);
  }
}
