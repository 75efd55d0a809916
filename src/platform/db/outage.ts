import { EventEmitter } from 'node:events';
import type { OnApplicationShutdown } from '@nestjs/common';
import { Client } from 'pg';
import { isDatabaseAway } from '../errors/problem.filter.js';
import { Problem } from '../errors/problem.js';
import { Log } from '../observe/log.js';
import { inTime } from '../pacing/turns.js';

/** Between two looks whether Postgres is back. */
const LOOK_MS = 1_000;
/** What Postgres has for the answer to a look. While it is away nobody waits for one, and on a machine short of everything it takes long. */
const ANSWER_MS = 500;
const ANSWER_WHILE_AWAY_MS = 3_000;
/** How long a request waits for a look-up before anybody asks whether Postgres is there at all. */
const PATIENCE_MS = 250;

/**
 * Whether Postgres is known to be away. Whoever meets it says so; from then on nobody waits for it, until a look on a
 * connection of its own, once a second, finds that it answers and takes writes.
 */
export class Outage implements OnApplicationShutdown {
  private readonly news = new EventEmitter().setMaxListeners(0);
  private since: number | undefined;
  private looking: Promise<void> | undefined;
  private timer: NodeJS.Timeout | undefined;
  private ended = false;

  constructor(private readonly databaseUrl: string, private readonly log: Log) {}

  get isOn(): boolean {
    return this.since !== undefined;
  }

  begin(cause: unknown): void {
    if (this.since !== undefined || this.ended) return;
    this.since = performance.now();
    this.log.warn({ err: cause }, 'the database is away');
    this.timer = setInterval(() => void this.look(), LOOK_MS);
    this.news.emit('begin');
    // It may have been no more than one broken connection.
    if (!this.looking) setImmediate(() => void this.look());
  }

  /** Has a look, for it may be away. */
  suspect(): void {
    if (!this.isOn) void this.look();
  }

  on(news: 'begin' | 'end', listener: () => void): void {
    this.news.on(news, listener);
  }

  off(news: 'begin' | 'end', listener: () => void): void {
    this.news.off(news, listener);
  }

  /** What `work` comes to, unless Postgres is away or turns out to be while we wait: then it rejects with a 503, well within a second. */
  watch<T>(work: () => Promise<T>): Promise<T> {
    if (this.isOn) return Promise.reject(away());
    return new Promise((resolve, reject) => {
      const suspicion = setTimeout(() => this.suspect(), PATIENCE_MS);
      const giveUp = (): void => reject(away());
      this.on('begin', giveUp);
      work().then(resolve, (error: unknown) => {
        if (isDatabaseAway(error)) this.begin(error);
        reject(error as Error);
      }).finally(() => {
        clearTimeout(suspicion);
        this.off('begin', giveUp);
      });
    });
  }

  onApplicationShutdown(): void {
    this.ended = true;
    clearInterval(this.timer);
  }

  /** Asks Postgres, on a new connection: those there are may all be stuck. */
  private look(): Promise<void> {
    return (this.looking ??= this.ask().then(
      () => this.end(),
      (error: unknown) => this.begin(error),
    ).finally(() => (this.looking = undefined)));
  }

  private async ask(): Promise<void> {
    const client = new Client({ connectionString: this.databaseUrl, application_name: 'lakehook-look' });
    client.on('error', () => {});
    try {
      await inTime(this.isOn ? ANSWER_WHILE_AWAY_MS : ANSWER_MS, (async () => {
        await client.connect();
        const { rows } = await client.query<{ transaction_read_only: string }>('SHOW transaction_read_only');
        if (rows[0]!.transaction_read_only !== 'off') throw new Error('the database takes no writes');
      })());
    } finally {
      client.connection.stream.destroy();
    }
  }

  private end(): void {
    if (this.since === undefined || this.ended) return;
    clearInterval(this.timer);
    this.log.info({ seconds: Math.round((performance.now() - this.since) / 1_000) }, 'the database is back');
    this.since = undefined;
    this.news.emit('end');
  }
}

function away(): Problem {
  return new Problem('unavailable', 'The database cannot be reached.', { retryAfterSeconds: 1 });
}
