import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { Clock, Config, Database, dayOf, dropPartition, listPartitions, Log, makePartitions } from '../platform/index.js';
import { forgetLedgerBefore } from './events.sql.js';

const AHEAD_DAYS = 7;
const DAY_MS = 86_400_000;

/** Keeps the log's daily partitions: a week ahead, and none older than the retention. Safe to run any time, in any process. */
@Injectable()
export class LogPartitions implements OnApplicationBootstrap {
  constructor(private readonly db: Database, private readonly clock: Clock, private readonly config: Config, private readonly log: Log) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.makeAhead();
  }

  @Interval(3_600_000)
  async reconcile(): Promise<void> {
    await this.makeAhead();
    if (this.config.runsWorkers) await this.dropExpired();
  }

  async makeAhead(): Promise<void> {
    await this.db.transaction(async (tx) => {
      await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtext('events partitions'))`;
      await makePartitions(tx, 'events', this.clock.now(), AHEAD_DAYS);
    });
  }

  /** Drops the days behind `EVENT_RETENTION_DAYS`, and the ledger rows of their chosen ids. Answers the days dropped. */
  async dropExpired(): Promise<string[]> {
    const before = dayOf(this.clock.now() - this.config.EVENT_RETENTION_DAYS * DAY_MS);
    return this.db.transaction(async (tx) => {
      await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtext('events partitions'))`;
      const expired = (await listPartitions(tx, 'events')).filter((day) => day < before);
      for (const day of expired) await dropPartition(tx, 'events', day);
      const forgotten = await forgetLedgerBefore(tx, new Date(before));
      if (expired.length > 0) this.log.info({ days: expired, ledger_rows: forgotten }, 'events past their retention dropped');
      return expired;
    });
  }
}
