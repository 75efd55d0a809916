import { setTimeout } from 'node:timers/promises';
import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { Clock } from '../clock.js';
import { DAY_MS, dayOf } from '../days.js';
import { Config } from '../config/config.js';
import { isLockTimeout } from '../errors/problem.filter.js';
import { Log } from '../observe/log.js';
import { Database, type Tx } from './database.js';
import { Outage } from './outage.js';
import { dropPartition, listPartitions, makePartitions } from './partitions.sql.js';

const AHEAD_DAYS = 7;
const RETRY_MS = 500;

/** Keeps the daily partitions of a domain's tables: a week ahead, and none older than the retention. Safe to run any time, in any process. */
@Injectable()
export abstract class DailyPartitions implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly stopping = new AbortController();
  protected abstract readonly tables: string[];

  constructor(private readonly db: Database, protected readonly clock: Clock, protected readonly config: Config, protected readonly log: Log, private readonly outage: Outage) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.makeAhead();
    // An outage may have been longer than what was made ahead, and what the spool holds goes to the log now.
    this.outage.on('end', () => void this.makeAheadAtLast());
  }

  beforeApplicationShutdown(): void {
    this.stopping.abort();
  }

  @Interval(3_600_000)
  async reconcile(): Promise<void> {
    await this.makeAhead();
    if (!this.config.runsWorkers) return;
    try {
      await this.dropExpired();
    } catch (error) {
      if (!isLockTimeout(error)) throw error;
      this.log.info({ tables: this.tables }, 'days past their retention are in use, by an export maybe, and are dropped the next time');
    }
  }

  async makeAhead(): Promise<void> {
    await this.alone(async (tx) => {
      for (const table of this.tables) await makePartitions(tx, table, this.clock.now(), AHEAD_DAYS);
    });
  }

  /** Postgres is back; connections from before may still turn out to be dead, and until the day is there nothing can be stored. */
  private async makeAheadAtLast(): Promise<void> {
    while (!this.outage.isOn && !this.stopping.signal.aborted) {
      try {
        return await this.makeAhead();
      } catch (error) {
        this.log.warn({ err: error }, 'making the days ahead failed, it will be tried again');
        await setTimeout(RETRY_MS, undefined, { signal: this.stopping.signal }).catch(() => {});
      }
    }
  }

  /** Drops the days behind `EVENT_RETENTION_DAYS`. Answers the days dropped. */
  async dropExpired(): Promise<string[]> {
    return this.alone(async (tx) => {
      const expired = this.clock.now() - this.config.EVENT_RETENTION_DAYS * DAY_MS;
      const before = dayOf(Math.min(expired, await this.neededFrom(tx)));
      await this.clearBefore(tx, new Date(before));
      const dropped = new Set<string>();
      for (const table of this.tables) {
        for (const day of (await listPartitions(tx, table)).filter((candidate) => candidate < before)) {
          await dropPartition(tx, table, day);
          dropped.add(day);
        }
      }
      if (dropped.size > 0) this.log.info({ tables: this.tables, days: [...dropped] }, 'days past their retention dropped');
      return [...dropped];
    });
  }

  /** From when on everything is still needed, however old it is; epoch milliseconds. */
  protected async neededFrom(_tx: Tx): Promise<number> {
    return Number.POSITIVE_INFINITY;
  }

  /** What else of before that time must go, or come to its end, together with the days. */
  protected abstract clearBefore(tx: Tx, before: Date): Promise<void>;

  /** One process at a time: two that make the same partition would wait for each other. */
  private alone<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.db.transaction(async (tx) => {
      await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtext(${`partitions of ${this.tables.join()}`}))`;
      return work(tx);
    });
  }
}
