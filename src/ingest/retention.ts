import { Injectable } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { Clock, Config, Database, DAY_MS, isDatabaseAway, Log } from '../platform/index.js';
import { forgetIds } from './retention.sql.js';

/** Ids removed by one statement, which holds their locks. */
const BATCH = 10_000;
/** Days that a request stays in quarantine. */
const QUARANTINE_DAYS = 14;

/**
 * What the gate keeps for a while: conflicts as long as events, requests in quarantine for two weeks, and ids until they expire and
 * two weeks more, because what leaves the quarantine is judged by those that were known when it came.
 */
@Injectable()
export class InboundRetention {
  constructor(private readonly db: Database, private readonly clock: Clock, private readonly config: Config, private readonly log: Log) {}

  @Interval(600_000)
  async reconcile(): Promise<void> {
    if (!this.config.runsWorkers) return;
    const now = this.clock.now();
    const before = (days: number) => ({ where: { receivedAt: { lt: new Date(now - days * DAY_MS) } } });
    try {
      await this.db.client.inboundConflict.deleteMany(before(this.config.EVENT_RETENTION_DAYS));
      await this.db.client.quarantinedRequest.deleteMany(before(QUARANTINE_DAYS));
      // Only now: a request that is still in quarantine needs those that were there when it came.
      for (let count = BATCH; count === BATCH; ) count = await forgetIds(this.db.client, new Date(now - QUARANTINE_DAYS * DAY_MS), BATCH);
    } catch (error) {
      if (!isDatabaseAway(error)) this.log.error({ err: error }, 'removing what the gate kept for a while failed');
    }
  }
}
