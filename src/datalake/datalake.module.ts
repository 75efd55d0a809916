import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/index.js';
import { EventsModule } from '../events/index.js';
import { Catalog } from './catalog/catalog.js';
import { DatasetsController } from './datasets.controller.js';
import { Destinations } from './destinations/destinations.js';
import { DestinationsController } from './destinations.controller.js';
import { Clearing } from './exports/clearing.js';
import { ExportGauges } from './exports/export-gauges.js';
import { ExportLoop } from './exports/export-loop.js';
import { Exports } from './exports/exports.js';
import { Places } from './exports/places.js';
import { Publishing } from './exports/publishing.js';
import { ExportRetention } from './exports/retention.js';
import { Writing } from './exports/writing.js';
import { ExportsController } from './exports.controller.js';
import { DownloadsController } from './downloads.controller.js';
import { Downloads } from './downloads/downloads.js';
import { ScheduleRuns } from './schedules/runs.js';
import { ScheduleLoop } from './schedules/schedule-loop.js';
import { Schedules } from './schedules/schedules.js';
import { SchedulesController } from './schedules.controller.js';

/**
 * # Data lake: data out as files
 *
 * `datasets/` declares what can leave: its columns, the day that decides a row's partition, a unique order. From a declaration
 * follows the SQL of an export (`rows.sql.ts`), what a filter may ask (`filter.ts`) and what engines are told of its files
 * (`catalog/`). `destinations/` is where files go: the house's disk, or what a tenant names (`location.ts`), reached with credentials that are sealed
 * and never shown; a `probe` does in small what an export does.
 * `downloads/` hands files of exports out.
 *
 * The way of an export, in `exports/`: `plan.ts` reads what is asked for → a row, queued → `export-loop.ts` claims it under a lease
 * (`lease.ts`, `exports.sql.ts`) → `writing.ts` takes a snapshot, tells the days apart (`partitions.ts`), leaves what stands in the lake
 * unchanged (`lake.ts`) and stages the rest under the keys of `layout/` → `publishing.ts` shows all of it, removes what is stale and writes
 * the manifest (`layout/manifest.ts`) last. `clearing.ts` removes what came to nothing or was deleted; `retention.ts` what time takes.
 *
 * `schedules/` has exports made again and again: pure arithmetic says when one is due in which zone and which days it covers (`timetable.ts`,
 * `zone.ts`), and a loop starts it, in one commit with when it is due next.
 *
 * Guaranteed: files show what the API shows to a key that may not see sensitive fields, and nothing beside; whoever takes a dataset
 * out must be allowed to read it. Of an export everything can be seen or nothing, and what a manifest lists is there.
 */
@Module({
  imports: [AuthModule, EventsModule],
  controllers: [DatasetsController, DestinationsController, ExportsController, DownloadsController, SchedulesController],
  providers: [Destinations, Exports, ExportLoop, Writing, Publishing, Clearing, Places, ExportRetention, ExportGauges, Catalog, Downloads, Schedules, ScheduleRuns, ScheduleLoop],
})
export class DatalakeModule {}
