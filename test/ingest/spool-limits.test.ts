import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, onTestFinished, test } from 'vitest';
import { type PostgresProxy, startPostgresProxy } from '../calamity/support/postgres-proxy.js';
import { withoutDatabase } from '../support/database.js';
import { eventually } from '../support/eventually.js';
import { ADMIN_KEY, apiOf, startHouse, useHouse } from '../support/house.js';

/** Houses of their own on the database of the first: through a proxy that can fall silent, or with little room. */

const house = useHouse();
let proxy: PostgresProxy;
beforeAll(async () => void (proxy = await startPostgresProxy(() => house.databaseUrl)));
afterAll(() => proxy?.close());

async function start(env: Record<string, string> = {}) {
  const running = await startHouse(proxy.url, env);
  onTestFinished(() => running.stop());
  const api = apiOf(running.url, ADMIN_KEY);
  return { ...running, api, publish: (event_type: string, more: Record<string, unknown> = {}) => api.post('/v1/events').send({ event_type, data: {}, ...more }) };
}

const stored = async (type: string): Promise<string[]> => (await house.sql<{ event_id: string }>('SELECT event_id FROM events WHERE event_type = $1', [type])).map(({ event_id }) => event_id).sort();

test('a Postgres that falls silent: every publish ends within a second, acknowledged, and is stored once when it speaks again', async () => {
  const { publish, api } = await start({ INGEST_SPOOL_AFTER_MS: '300' });
  await publish('silent', { event_id: 'first' }).expect(202);
  const silence = proxy.silence();
  onTestFinished(() => silence.end());
  const ids: string[] = ['first'];
  const took: number[] = [];
  const send = async (): Promise<void> => {
    const from = performance.now();
    ids.push((await publish('silent').expect(202)).body.event_id);
    took.push(performance.now() - from);
  };
  // Some wait for the first append to be given up, some come when all is known.
  for (let n = 0; n < 30; n++) await Promise.all([send(), send(), new Promise((wake) => setTimeout(wake, 30))]);
  expect(Math.max(...took)).toBeLessThan(1_000);
  const from = performance.now();
  await api.get('/readyz').expect(200);
  expect(performance.now() - from).toBeLessThan(1_000);
  silence.end();
  await eventually('all to be stored', async () => (await stored('silent')).length === ids.length);
  expect(await stored('silent')).toEqual(ids.sort());
});

test('a segment that cannot be read does not hold up those behind it, and is not forgotten', async () => {
  const DATA_DIR = mkdtempSync(join(tmpdir(), 'lakehook-unreadable-'));
  onTestFinished(() => rmSync(DATA_DIR, { recursive: true }));
  mkdirSync(join(DATA_DIR, 'spool/0/000000000000001-00000000-0000-4000-8000-000000000001.segment'), { recursive: true });
  const { publish, api } = await start({ DATA_DIR });
  await publish('in_front').expect(202);
  const refusal = proxy.refuse();
  onTestFinished(() => refusal.end());
  const { body } = await publish('behind').expect(202);
  refusal.end();
  await eventually('what is behind it to be stored', async () => (await stored('behind')).length === 1);
  expect(await stored('behind')).toEqual([body.event_id]);
  expect((await api.get('/readyz')).body.checks.spool).toMatch(/^\d+ bytes/);
});

test('beyond the cap publishers are told 503 and when to come back, the process is not ready, and all that was acknowledged is stored', async () => {
  const { publish, api } = await start({ INGEST_SPOOL_MAX_BYTES: '4096' });
  await publish('capped').expect(202);
  const kept: string[] = [];
  const refusal = proxy.refuse();
  onTestFinished(() => refusal.end());
  const { body, headers } = await eventually('the spool to be full', async () => {
    const answer = await publish('capped', { data: { filling: 'x'.repeat(300) } });
    if (answer.status === 503) return answer;
    kept.push(answer.body.event_id);
    return undefined;
  });
  expect(body).toMatchObject({ code: 'unavailable', detail: expect.stringContaining('no room') });
  expect(headers['retry-after']).toBe('5');
  expect(kept.length).toBeGreaterThan(5);
  await eventually('the rest of the room to be used', async () => (await publish('capped', { data: { f: 'x'.repeat(10) } }).then(({ status, body: { event_id } }) => (status === 202 && kept.push(event_id), status))) === 503);
  await api.get('/readyz').expect(503);
  refusal.end();
  await eventually('all to be stored', async () => (await stored('capped')).length === kept.length + 1);
  await eventually('the house to be ready', async () => (await api.get('/readyz')).status === 200);
  await publish('capped').expect(202);
});

test('a house that stops in an outage keeps its spool, and the next one on its folder stores it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'lakehook-spool-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const first = await startHouse(house.databaseUrl, { DATA_DIR: folder });
  const api = apiOf(first.url, ADMIN_KEY);
  await api.get('/v1/events').expect(200);
  await withoutDatabase(inject('postgresUrl'), house.databaseUrl, async () => {
    for (const event_id of ['a', 'b', 'c']) await api.post('/v1/events').send({ event_type: 'stopped', event_id, data: {} }).expect(202);
    await first.stop();
  });
  const second = await startHouse(house.databaseUrl, { DATA_DIR: folder });
  onTestFinished(() => second.stop());
  await eventually('all to be stored', async () => (await stored('stopped')).length === 3);
  expect(await stored('stopped')).toEqual(['a', 'b', 'c']);
});

test.each([undefined, 'named'])('a commit that Postgres carries out long after we gave it up: the event is stored once (id: %s)', async (event_id) => {
  await house.sql(`CREATE OR REPLACE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(2); RETURN NULL; END'`);
  await house.sql("CREATE CONSTRAINT TRIGGER dawdle AFTER INSERT ON events DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.event_type = 'zombie') EXECUTE FUNCTION dawdle()");
  onTestFinished(async () => void (await house.sql('DROP TRIGGER dawdle ON events')));
  const { publish, api } = await start({ INGEST_SPOOL_AFTER_MS: '300' });
  const before = await stored('zombie');
  const { body } = await publish('zombie', { event_id }).expect(202);
  expect(body.duplicate).toBe(false);
  expect(await stored('zombie')).toEqual(before);
  await eventually('the spool to be drained', async () => (await api.get('/readyz')).body.checks.spool === 'ok');
  expect(await stored('zombie')).toEqual([...before, body.event_id].sort());
  expect((await publish('zombie', { event_id: body.event_id }).expect(202)).body.duplicate).toBe(true);
});
