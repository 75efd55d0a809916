import { Injectable } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { Clock, Config, Database, DAY_MS, isDatabaseAway, Log } from '../../platform/index.js';
import { expireBefore, findPlaces, oldestUnderWay } from './exports.sql.js';
import { Places } from './places.js';

const HOUR_MS = 3_600_000;
/** A staged file that is on nobody's record, this long before every export that is under way, is one of a process that died. Clocks may differ by less. */
const ORPHANED_AFTER_MS = 6 * HOUR_MS;

/** What time takes: private exports past their retention with their files, and what dead processes had staged. Safe to run anywhere, any time. */
@Injectable()
export class ExportRetention {
  constructor(private readonly db: Database, private readonly clock: Clock, private readonly config: Config, private readonly log: Log, private readonly places: Places) {}

  @Interval(HOUR_MS)
  async reconcile(): Promise<void> {
    if (!this.config.runsWorkers) return;
    try {
      const expired = await this.expire();
      if (expired > 0) this.log.info({ exports: expired }, 'exports past their retention are removed');
      await this.sweep();
    } catch (error) {
      if (!isDatabaseAway(error)) this.log.error({ err: error }, 'clearing up after exports failed');
    }
  }

  /** The files go with the next claim of the loop. */
  async expire(): Promise<number> {
    const now = this.clock.now();
    return this.db.transaction((tx) => expireBefore(tx, new Date(now - this.config.EXPORT_RETENTION_DAYS * DAY_MS), new Date(now)));
  }

  /** Removes staged files that are on no record, wherever exports have been written to. One place that cannot be reached does not hold up the others. */
  async sweep(): Promise<void> {
    const { client } = this.db;
    const before = new Date(Math.min(this.clock.now(), (await oldestUnderWay(client))?.getTime() ?? Number.POSITIVE_INFINITY) - ORPHANED_AFTER_MS);
    // Those of all places: two destinations may lead to one.
    const kept = new Set((await client.exportFile.findMany({ where: { state: 'staged' }, select: { token: true } })).map(({ token }) => token!));
    for (const { tenant_id: tenantId, destination_id: destinationId } of await findPlaces(client)) {
      try {
        const place = await this.places.open({ tenantId, destinationId });
        const removed = await place.store.sweep(place.at('exports/'), before, kept).finally(() => place.store.close());
        if (removed > 0) this.log.info({ tenant_id: tenantId, destination_id: destinationId, files: removed }, 'staged files that nobody needs were removed');
      } catch (error) {
        this.log.warn({ err: error, tenant_id: tenantId, destination_id: destinationId }, 'looking for staged files that nobody needs failed');
      }
    }
  }
}
