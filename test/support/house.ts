import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Pool } from 'pg';
import supertest from 'supertest';
import { afterAll, beforeAll, inject } from 'vitest';
import { type Lakehook, startLakehook } from '../../src/app.js';
import { readConfig } from '../../src/platform/config/config.js';
import { Clock } from '../../src/platform/clock.js';
import type { Log } from '../../src/platform/observe/log.js';
import { cloneDatabase, dropDatabase } from './database.js';

export const ADMIN_KEY = 'admin-key-of-the-tests-0123456789';

/** Shared: a process with another key does not start on a database that was sealed with this one. */
export const SEALING_KEY = Buffer.alloc(32, 'sealing key of the tests').toString('base64');

/** A clock that a test can move forward. */
export class TestClock extends Clock {
  private ahead = 0;

  override now(): number {
    return Date.now() + this.ahead;
  }

  advance(ms: number): void {
    this.ahead += ms;
  }
}

type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';
export type Api = Record<Method, (path: string) => supertest.Test>;

/** Requests with a key; without one they go out bare. */
export function apiOf(url: string, key?: string): Api {
  const agent = supertest(url);
  const send = (method: Method) => (path: string) => (key ? agent[method](path).set('authorization', `Bearer ${key}`) : agent[method](path));
  return { get: send('get'), post: send('post'), put: send('put'), patch: send('patch'), delete: send('delete') };
}

/** Boots a whole Lakehook in this process on a database that exists. `env` overrides the tests' defaults. */
export async function startHouse(databaseUrl: string, env: Record<string, string> = {}, clock = new Clock(), log?: Log): Promise<Lakehook> {
  const dataDir = mkdtempSync(join(tmpdir(), 'lakehook-house-'));
  const config = readConfig({
    DATABASE_URL: databaseUrl, DATA_DIR: dataDir, PORT: '0', HOST: '127.0.0.1', LOG_LEVEL: process.env.TEST_LOG_LEVEL ?? 'silent', DATABASE_POOL_SIZE: '6',
    LAKEHOOK_ADMIN_KEY: ADMIN_KEY, SEALING_KEY, OUTBOUND_ALLOW_PRIVATE: 'true',
    // A busy machine is no outage.
    INGEST_SPOOL_AFTER_MS: '10000', ...env,
  });
  const lakehook = await startLakehook(config, { clock, log });
  return {
    ...lakehook,
    async stop() {
      await lakehook.stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/** What a test file works with. Filled before its first test. */
export interface House {
  url: string;
  databaseUrl: string;
  /** Requests with the admin key. */
  api: Api;
  clock: TestClock;
  app: Lakehook['app'];
  /** Rows of a query straight from Postgres. */
  sql<Row extends object>(text: string, values?: unknown[]): Promise<Row[]>;
  /** Requests with another key, or with none. */
  as(key?: string): Api;
}

/** A Lakehook for this test file, on its own copy of the template database. */
export function useHouse(env: Record<string, string> = {}): House {
  const house = { clock: new TestClock() } as House;
  let running: Lakehook;
  let pool: Pool;
  const postgresUrl = inject('postgresUrl');
  beforeAll(async () => {
    house.databaseUrl = await cloneDatabase(postgresUrl);
    pool = new Pool({ connectionString: house.databaseUrl, max: 2 });
    pool.on('error', () => {});
    running = await startHouse(house.databaseUrl, env, house.clock);
    Object.assign(house, {
      url: running.url, app: running.app, api: apiOf(running.url, ADMIN_KEY),
      as: (key?: string) => apiOf(running.url, key),
      sql: async (text: string, values: unknown[] = []) => (await pool.query(text, values)).rows,
    });
  });
  afterAll(async () => {
    await running?.stop();
    await pool?.end();
    if (house.databaseUrl) await dropDatabase(postgresUrl, house.databaseUrl);
  });
  return house;
}

/** A second Lakehook on the database and the clock of the first, as another process would be. */
export function useNeighbour(house: House, env: Record<string, string> = {}): Pick<House, 'api' | 'as' | 'app' | 'url'> {
  const neighbour = {} as House;
  let running: Lakehook;
  beforeAll(async () => {
    running = await startHouse(house.databaseUrl, env, house.clock);
    Object.assign(neighbour, { url: running.url, app: running.app, api: apiOf(running.url, ADMIN_KEY), as: (key?: string) => apiOf(running.url, key) });
  });
  afterAll(() => running?.stop());
  return neighbour;
}
