import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { Clock, Config, Database, dayOf, dropPartition, listPartitions, Log, makePartitions } from '../platform/index.js';
import { expireBefore } from './retention.sql.js';

const TABLES = ['deliveries', 'attempts'];
const AHEAD_DAYS = 7;
const DAY_MS = 86_400_000;

/** Keeps the daily partitions of the delivery history: a week ahead, and none older than the retention. */
@Injectable()
export class DeliveryRetention implements OnApplicationBootstrap {
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
      await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtext('delivery partitions'))`;
      for (const table of TABLES) await makePartitions(tx, table, this.clock.now(), AHEAD_DAYS);
    });
  }

  /** Ends what still waits from before `EVENT_RETENTION_DAYS` (a webhook paused for so long), then drops those days. */
  async dropExpired(): Promise<void> {
    const before = dayOf(this.clock.now() - this.config.EVENT_RETENTION_DAYS * DAY_MS);
    await this.db.transaction(async (tx) => {
      await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtext('delivery partitions'))`;
      const expired = await expireBefore(tx, new Date(before), new Date(this.clock.now()));
      for (const table of TABLES) {
        for (const day of (await listPartitions(tx, table)).filter((candidate) => candidate < before)) await dropPartition(tx, table, day);
      }
      if (expired > 0) this.log.warn({ deliveries: expired }, 'deliveries that waited past the retention were given up');
    });
  }
}
