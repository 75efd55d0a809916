import { appendFileSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { expect, onTestFinished, test, type TestContext, vi } from 'vitest';
import { startEmbeddedPostgres } from '../../src/platform/db/embedded.js';
import { eventually } from '../support/eventually.js';
import { mixedLoad } from './support/mixed-load.js';
import type { Published } from './support/publisher.js';
import { PATIENCE_MS, type Scene, setScene, SOON_MS, temporaryFolder, UNHURRIED } from './support/scene.js';
import { APPEND_COMMIT, DRAIN_COMMIT, UNNAMED_COMMIT } from './support/statements.js';

/** Postgres is away, or in doubt, and events are acknowledged all the same: each is in the log exactly once in the end. */

vi.setConfig({ testTimeout: 150_000 });

const portOf = (scene: Scene): number => Number(new URL(scene.servers[0]!.url).port);

/** Publishes at a fixed rate, every second event without an id, each tried once. */
function load(scene: Scene, perSecond: number): { stop(): Promise<void> } {
  const underWay: Promise<unknown>[] = [];
  const started = performance.now();
  let count = 0;
  const tick = setInterval(() => {
    for (const due = ((performance.now() - started) / 1_000) * perSecond; count < due; count++) underWay.push(scene.publisher.send(scene.publisher.make('calamity.happened', { unnamed: count % 2 === 0 })));
  }, 10);
  return {
    async stop() {
      clearInterval(tick);
      await Promise.all(underWay);
    },
  };
}

const published = (scene: Scene, count: number) => eventually(`${count} publishes`, () => scene.publisher.published.filter(({ outcomes }) => outcomes.length > 0).length >= count, PATIENCE_MS);
const strange = (events: Pick<Published, 'outcomes'>[]) => events.flatMap(({ outcomes }) => outcomes).filter(({ kind }) => kind !== 'acknowledged');

async function tell(context: TestContext, scene: Scene, outageMs: number, drainMs: number): Promise<void> {
  const ms = scene.publisher.published.flatMap(({ outcomes }) => outcomes.map((outcome) => outcome.ms)).sort((a, b) => a - b);
  await context.annotate(`away for ${outageMs} ms, drained in ${drainMs} ms; ${ms.length} publishes, p99 ${ms[Math.floor(ms.length * 0.99)]} ms, the slowest ${ms.at(-1)} ms`, 'recovery');
}

test('eight seconds without Postgres at 300 a second: every publish is acknowledged, drained in less than twice the outage while more come, and stored once', async (context) => {
  const scene = await setScene(context);
  // On a busy machine a slow commit would begin little outages of its own.
  await scene.start({ env: { INGEST_SPOOL_AFTER_MS: '5000' } });
  const steady = load(scene, 300);
  await published(scene, 300);
  const outage = scene.proxy.refuse();
  const from = Date.now();
  await new Promise((wake) => setTimeout(wake, 8_000));
  outage.end();
  const away = Date.now() - from;
  await eventually('the spool to be drained', async () => ((await (await fetch(`${scene.servers[0]!.url}/readyz`)).json()) as { checks: { spool: string } }).checks.spool === 'ok', 2 * away);
  await tell(context, scene, away, Date.now() - from - away);
  await steady.stop();
  await scene.drained();
  expect(strange(scene.publisher.published)).toEqual([]);
  expect(await scene.brokenPromises()).toEqual([]);
});

test('Postgres is killed ten times under publishes and signed requests to sources, repeats and contradictions among them: all are acknowledged, and stored once', async (context) => {
  const folder = temporaryFolder();
  const postgres = await startEmbeddedPostgres(folder, () => {});
  onTestFinished(async () => {
    await postgres.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  const scene = await setScene(context, { databaseUrl: postgres.url });
  await scene.start({ direct: true, env: UNHURRIED });
  const mixed = await mixedLoad(scene, 50);
  await mixed.sent(50);
  for (let kill = 0; kill < 10; kill++) {
    const postmaster = Number(readFileSync(join(folder, 'postgres/postmaster.pid'), 'utf8').split('\n', 1)[0]);
    process.kill(postmaster, 'SIGKILL');
    scene.crashes.push(Date.now());
    await eventually('another Postgres to answer', () => scene.sql('SELECT 1').then(() => Number(readFileSync(join(folder, 'postgres/postmaster.pid'), 'utf8').split('\n', 1)[0]) !== postmaster, () => false), PATIENCE_MS);
    await mixed.sent(10);
  }
  await mixed.stop();
  await scene.drained();
  expect(strange([...scene.publisher.published, ...scene.providers.flatMap(({ notices }) => notices)])).toEqual([]);
  expect(await scene.brokenPromises({ endsWithinMs: SOON_MS })).toEqual([]);
});

test.concurrent.for([
  ['reply', 'with an id', APPEND_COMMIT, {}], ['reply', 'without an id', UNNAMED_COMMIT, { unnamed: true }],
  ['request', 'with an id', APPEND_COMMIT, {}], ['request', 'without an id', UNNAMED_COMMIT, { unnamed: true }],
] as const)('the %s to commit an event %s is lost: acknowledged, and stored and delivered once', async ([at, , trap, more], context) => {
  const scene = await setScene(context);
  await scene.start();
  await scene.webhook('/a', ['calamity.happened']);
  const caught = scene.proxy.catch({ ...trap, at });
  const answer = scene.publisher.send(scene.publisher.make('calamity.happened', more));
  (await caught).cut();
  expect(await answer).toMatchObject({ kind: 'acknowledged', duplicate: false });
  await scene.receiver.received(1);
  await scene.drained();
  expect(scene.receiver.receipts).toHaveLength(1);
  expect(await scene.brokenPromises()).toEqual([]);
});

test.concurrent('a table that somebody locks for seconds: publishes end within two seconds on however busy a machine, acknowledged, and each is stored once', async (context) => {
  const scene = await setScene(context);
  await scene.start();
  await scene.publisher.insist(scene.publisher.make('calamity.happened'));
  const locked = scene.sql('DO $$ BEGIN LOCK TABLE events IN SHARE MODE; PERFORM pg_sleep(4); END $$');
  await eventually('the lock', async () => (await scene.sql<{ held: boolean }>("SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'events'::regclass AND mode = 'ShareLock' AND granted) AS held"))[0]!.held);
  const steady = load(scene, 30);
  await locked;
  await steady.stop();
  await scene.drained();
  expect(strange(scene.publisher.published)).toEqual([]);
  expect(Math.max(...scene.publisher.published.flatMap(({ outcomes }) => outcomes.map(({ ms }) => ms)))).toBeLessThan(2_000);
  expect(await scene.brokenPromises()).toEqual([]);
});

test.concurrent('killed three times while it appends to the spool, with a torn tail each time: all that was acknowledged is stored once', async (context) => {
  const folder = temporaryFolder();
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const scene = await setScene(context);
  let server = await scene.start({ env: { DATA_DIR: folder } });
  for (let round = 0; round < 3; round++) {
    await scene.publisher.insist(scene.publisher.make('calamity.happened'));
    const outage = scene.proxy.refuse();
    const steady = load(scene, 200);
    await published(scene, scene.publisher.published.length + 150);
    await server.kill();
    await steady.stop();
    const spool = join(folder, 'spool/0');
    const newest = readdirSync(spool).filter((name) => name.endsWith('.segment')).sort().at(-1)!;
    appendFileSync(join(spool, newest), Buffer.concat([readFileSync(join(spool, newest)).subarray(0, 40), randomBytes(round * 30)]));
    outage.end();
    server = await scene.start({ port: portOf(scene), env: { DATA_DIR: folder } });
  }
  await scene.drained();
  expect(strange(scene.publisher.published).every(({ kind }) => kind === 'broken')).toBe(true);
  expect(await scene.brokenPromises()).toEqual([]);
});

test.concurrent.for([['before its commit', 'request'], ['after its commit', 'reply']] as const)('killed in the middle of a drain, %s: everything is stored once', async ([, at], context) => {
  const scene = await setScene(context);
  const server = await scene.start();
  await scene.webhook('/a', ['calamity.else']);
  const outage = scene.proxy.refuse();
  const steady = load(scene, 300);
  await published(scene, 900);
  await steady.stop();
  const caught = scene.proxy.catch({ ...DRAIN_COMMIT, at });
  outage.end();
  await caught;
  await server.kill();
  await scene.start({ port: portOf(scene) });
  await scene.drained();
  expect(strange(scene.publisher.published)).toEqual([]);
  expect(await scene.brokenPromises()).toEqual([]);
});

test.concurrent('the answer to a drain\'s commit is lost: nothing is stored twice', async (context) => {
  const scene = await setScene(context);
  await scene.start();
  await scene.publisher.insist(scene.publisher.make('calamity.happened'));
  const outage = scene.proxy.refuse();
  const steady = load(scene, 300);
  await published(scene, 600);
  await steady.stop();
  const caught = scene.proxy.catch({ ...DRAIN_COMMIT, at: 'reply' });
  outage.end();
  (await caught).cut();
  await scene.drained();
  expect(strange(scene.publisher.published)).toEqual([]);
  expect(await scene.brokenPromises()).toEqual([]);
});
