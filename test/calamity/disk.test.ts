import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { expect, test, type TestContext, vi } from 'vitest';
import { eventually } from '../support/eventually.js';
import { ADMIN_KEY } from '../support/house.js';
import type { Outcome } from './support/exchange.js';
import { mixedLoad } from './support/mixed-load.js';
import { PATIENCE_MS, type Scene, setScene, SOON_MS } from './support/scene.js';
import { HALF_WRITTEN } from './support/statements.js';

/** The disk that the spool lies on is full, shared, changed or not there, and a batch that was half written when Postgres went. */

vi.setConfig({ testTimeout: 150_000 });

const readiness = async ({ servers }: Scene): Promise<{ status: number; checks: Record<string, string> }> => {
  const response = await fetch(`${servers.findLast(({ exitedAt }) => exitedAt === undefined)!.url}/readyz`);
  const { checks } = (await response.json()) as { checks: Record<string, string> };
  return { status: response.status, checks };
};
const portOf = (scene: Scene): number => Number(new URL(scene.servers[0]!.url).port);
const segments = (folder: string): string[] => readdirSync(folder).filter((name) => name.endsWith('.segment')).sort().map((name) => join(folder, name));

const isTurnedAway = ({ outcomes }: { outcomes: Outcome[] }): boolean => outcomes.some(({ kind }) => kind === 'answered');

/** A disk of 512 KiB at `folder`, where this account may mount one. */
function smallDisk({ skip, onTestFinished }: TestContext, folder: string): void {
  mkdirSync(folder, { recursive: true });
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=512k', 'tmpfs', folder], { stdio: 'ignore' });
  } catch {
    skip('nobody may mount a disk here');
  }
  onTestFinished(() => void execFileSync('umount', ['-l', folder], { stdio: 'ignore' }));
}

test.concurrent('the disk is full before the cap is reached: every request ends as 202 or 503, the process is not ready, and what was acknowledged is stored; then there is room again', async (context) => {
  const scene = await setScene(context);
  smallDisk(context, join(scene.dataDir, 'spool'));
  await scene.start();
  const load = await mixedLoad(scene, 80);
  await load.sent(50);
  for (let round = 0; round < 2; round++) {
    const before = scene.publisher.published.length;
    const outage = scene.proxy.refuse();
    await eventually('the disk to be full', () => scene.publisher.published.slice(before).filter(isTurnedAway).length > 20, PATIENCE_MS);
    expect((await readiness(scene)).status).toBe(503);
    outage.end();
    await eventually('all to be drained', async () => (await readiness(scene)).checks.spool === 'ok', PATIENCE_MS);
    expect(scene.publisher.published.slice(before).filter(({ outcomes }) => outcomes.some(({ kind }) => kind === 'acknowledged')).length).toBeGreaterThan(20);
  }
  await load.stop();
  await scene.drained();
  expect(await scene.brokenPromises({ endsWithinMs: SOON_MS })).toEqual([]);
});

test.concurrent('killed while it appends, and the disk is full to the last byte when it is back: the spool is drained all the same', async (context) => {
  const scene = await setScene(context);
  const spool = join(scene.dataDir, 'spool');
  smallDisk(context, spool);
  const server = await scene.start();
  const load = await mixedLoad(scene, 80);
  await load.sent(50);
  const outage = scene.proxy.refuse();
  await load.sent(150);
  await server.kill();
  await load.stop();
  const newest = segments(join(spool, '0')).at(-1)!;
  writeFileSync(newest, Buffer.concat([readFileSync(newest), Buffer.alloc(100, 'torn')]));
  expect(() => writeFileSync(join(spool, 'filler'), Buffer.alloc(1024 * 1024))).toThrow('ENOSPC');
  outage.end();
  await scene.start({ port: portOf(scene) });
  await scene.drained();
  expect(readFileSync(join(spool, '0/damaged', readdirSync(join(spool, '0/damaged'))[0]!)).toString('latin1')).toContain('torntorn');
  expect(await scene.brokenPromises({ endsWithinMs: SOON_MS })).toEqual([]);
});

test.concurrent('a disk that changes what it was given in the middle: one record is missed and laid aside, every other one is stored', async (context) => {
  const scene = await setScene(context);
  const server = await scene.start();
  await scene.publisher.insist(scene.publisher.make('calamity.happened'));
  const outage = scene.proxy.refuse();
  for (let n = 0; n < 40; n++) await scene.publisher.insist(scene.publisher.make('calamity.happened'));
  await server.kill();
  const [segment] = segments(join(scene.dataDir, 'spool/0'));
  const bytes = readFileSync(segment!);
  const victim = scene.publisher.published[20]!;
  bytes[bytes.indexOf(victim.eventId!)]! ^= 1;
  writeFileSync(segment!, bytes);
  outage.end();
  await scene.start({ port: portOf(scene) });
  await scene.drained();
  expect(await scene.brokenPromises({ endsWithinMs: SOON_MS })).toEqual([`I1: ${victim.eventId} was acknowledged and is not stored`]);
  const damaged = join(scene.dataDir, 'spool/0/damaged');
  expect(readdirSync(damaged).map((name) => readFileSync(join(damaged, name)).includes(victim.eventId!.slice(1)))).toEqual([true]);
  expect(await (await fetch(`${scene.servers.at(-1)!.url}/metrics`)).text()).toMatch(/^lakehook_spool_damaged_bytes_total [1-9]/m);
});

test.concurrent('two processes share a DATA_DIR and are killed in an outage: one that is started afterwards stores what both had acknowledged', async (context) => {
  const scene = await setScene(context);
  const both = [await scene.start(), await scene.start()];
  const load = await mixedLoad(scene, 80);
  await load.sent(50);
  const outage = scene.proxy.refuse();
  await load.sent(100);
  await both[0]!.kill();
  await load.sent(50);
  await both[1]!.kill();
  await load.stop();
  expect(['0', '1'].map((number) => segments(join(scene.dataDir, 'spool', number)).length > 0)).toEqual([true, true]);
  outage.end();
  await scene.start();
  await scene.drained();
  expect(['0', '1'].flatMap((number) => segments(join(scene.dataDir, 'spool', number)))).toEqual([]);
  expect(await scene.brokenPromises({ endsWithinMs: SOON_MS })).toEqual([]);
});

test.concurrent('a folder that cannot be used for the spool: the process does not start, and says which and what to do', async (context) => {
  const scene = await setScene(context);
  rmSync(join(scene.dataDir, 'spool'), { recursive: true, force: true });
  writeFileSync(join(scene.dataDir, 'spool'), 'a file where the folder should be');
  await expect(scene.start()).rejects.toThrow(`The spool cannot use ${join(scene.dataDir, 'spool')}`);
  expect(existsSync(join(scene.dataDir, 'spool'))).toBe(true);
  const server = await scene.start({ env: { INGEST_SPOOL: 'off' } });
  expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
});

/** Two tenants: one that sends a batch of 1,000, and one that sends little, so that the other's is written in parts. */
async function tenants(scene: Scene) {
  const { url } = scene.servers[0]!;
  const post = async (path: string, key: string, body: object) => (await fetch(`${url}${path}`, { method: 'POST', headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' }, body: JSON.stringify(body) })).json();
  const { admin_key } = (await post('/v1/tenants', ADMIN_KEY, { name: 'other' })) as { admin_key: string };
  return {
    batch: async (name: string) => ((await post('/v1/events', admin_key, { events: Array.from({ length: 1_000 }, (_, n) => ({ event_type: 'calamity.else', data: { id: `${name}-${n}` } })) })) as { data: { event_id: string; duplicate: boolean }[] }).data,
    other: () => post('/v1/events', ADMIN_KEY, { event_type: 'calamity.else', data: {} }),
  };
}

test.concurrent('an outage that begins while a batch of 1,000 is half written: the whole batch is acknowledged and stored once', async (context) => {
  const scene = await setScene(context);
  // A batch of a thousand is written in parts while somebody else is about.
  await scene.start({ env: { INGEST_SPOOL_AFTER_MS: '5000' } });
  const { batch, other } = await tenants(scene);
  const leaving = new AbortController();
  const about = (async () => {
    for (; !leaving.signal.aborted; await wait(50)) await other().catch(() => {});
  })();
  context.onTestFinished(() => (leaving.abort(), about));
  await batch('warm');
  const caught = scene.proxy.catch({ ...HALF_WRITTEN, at: 'reply' });
  let tries = 0;
  let answer: ReturnType<typeof batch>;
  // On a machine that is busy nobody else may come through for a second; then it goes out in one piece, and the next is tried.
  do answer = batch(`half${++tries}`);
  while (await Promise.race([caught.then(() => false), answer.then(() => true)]));
  const outage = scene.proxy.refuse();
  const acknowledged = await answer;
  expect(acknowledged.filter(({ duplicate }) => !duplicate)).toHaveLength(1_000);
  leaving.abort();
  outage.end();
  await eventually('the spool to be drained', async () => ((await (await fetch(`${scene.servers[0]!.url}/readyz`)).json()) as { checks: { spool: string } }).checks.spool === 'ok', PATIENCE_MS);
  const stored = await scene.sql<{ event_id: string; id: string }>("SELECT event_id, data ->> 'id' AS id FROM events WHERE data ->> 'id' LIKE $1 ORDER BY split_part(data ->> 'id', '-', 2)::int", [`half${tries}-%`]);
  expect(stored).toEqual(acknowledged.map(({ event_id }, n) => ({ event_id, id: `half${tries}-${n}` })));
});
