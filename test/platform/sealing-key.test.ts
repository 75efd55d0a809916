import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import type { Lakehook } from '../../src/app.js';
import { emptyDatabase, dropDatabase, withClient } from '../support/database.js';
import { ADMIN_KEY, apiOf, startHouse } from '../support/house.js';

const key = (name: string): string => Buffer.alloc(32, name).toString('base64');
const [OLD, NEW, OTHER] = [key('old'), key('new'), key('other')];

let databaseUrl: string;
let houses: Lakehook[];
const start = async (SEALING_KEY: string): Promise<Lakehook> => {
  const house = await startHouse(databaseUrl, { SEALING_KEY });
  houses.push(house);
  return house;
};

const OPENED = { headers: { 'x-team': 'blue' }, auth: { type: 'bearer', token: '********' } };
const made = async ({ url }: Lakehook): Promise<string> => (await apiOf(url, ADMIN_KEY).post('/v1/webhooks').send({ url: 'http://127.0.0.1:9/', headers: { 'x-team': 'blue' }, auth: { type: 'bearer', token: 'abc' } }).expect(201)).body.webhook_id;

beforeEach(async () => {
  databaseUrl = await emptyDatabase(inject('postgresUrl'));
  houses = [];
});
afterEach(async () => {
  await Promise.all(houses.map((house) => house.stop()));
  await dropDatabase(inject('postgresUrl'), databaseUrl);
});

test('a process with another sealing key refuses to start, with a sentence and status 78', async () => {
  await start(OLD);
  await expect(start(OTHER)).rejects.toThrow(/SEALING_KEY .* opens nothing in this database.*put the new one in front/);
  const folder = mkdtempSync(join(tmpdir(), 'lakehook-key-'));
  const { status, stderr } = spawnSync(process.execPath, ['dist/main.js'], { encoding: 'utf8', timeout: 60_000, env: { PATH: process.env.PATH, DATABASE_URL: databaseUrl, DATA_DIR: folder, PORT: '0', LOG_LEVEL: 'silent' } });
  rmSync(folder, { recursive: true });
  expect(stderr).toMatch(/SEALING_KEY .* opens nothing in this database/);
  expect(stderr).not.toContain(OLD);
  expect(status).toBe(78);
});

test('a rotation passes, in any order of restarts, and the new key alone opens what it sealed', async () => {
  const before = await start(OLD);
  const old = await made(before);
  const during = await start(`${NEW},${OLD}`);
  expect((await apiOf(during.url, ADMIN_KEY).get(`/v1/webhooks/${old}`)).body).toMatchObject(OPENED);
  const fresh = await made(during);
  await start(OLD);
  const after = await start(NEW);
  expect((await apiOf(after.url, ADMIN_KEY).get(`/v1/webhooks/${fresh}`)).body).toMatchObject(OPENED);
  await expect(start(OTHER)).rejects.toThrow(/SEALING_KEY/);
});

test('of processes that start at once on a new database with different keys, one key wins', async () => {
  const outcomes = await Promise.allSettled([OLD, NEW, OLD, NEW].map(start));
  const used = await withClient(databaseUrl, async (client) => (await client.query('SELECT key_id FROM sealing_canaries')).rows);
  expect(used).toHaveLength(1);
  expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'fulfilled', 'rejected', 'rejected']);
});
