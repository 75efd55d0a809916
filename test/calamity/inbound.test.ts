import { appendFileSync, readdirSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import type { Outcome } from './support/exchange.js';
import { mixedLoad } from './support/mixed-load.js';
import type { Notice, Provider } from './support/provider.js';
import { type Scene, setScene, SOON_MS, UNHURRIED } from './support/scene.js';
import { CONFLICT_COMMIT, DRAIN_COMMIT, NOTICE_COMMIT, UNNAMED_COMMIT } from './support/statements.js';

/** What providers send is a promise like any other, and theirs is the harder half: they send things twice, and with other bytes, and some never again. */

vi.setConfig({ testTimeout: 150_000 });

/** On a busy machine a slow commit would begin little outages of its own, in which nobody knows of repeats. */
const PATIENT = { INGEST_SPOOL_AFTER_MS: '10000' };
const portOf = (scene: Scene): number => Number(new URL(scene.servers[0]!.url).port);

test.concurrent('the reply to a commit is lost, or the commit itself: what a source was sent is acknowledged, stored and delivered once, and other bytes are one conflict', async (context) => {
  const scene = await setScene(context);
  await scene.start({ env: PATIENT });
  await scene.webhook('/a', ['calamity.happened', 'none.received']);
  const [github, none] = [await scene.provider('github'), await scene.provider('none')];
  const lose = async (provider: Provider, notice: Notice, trap: { statement: string; transaction: string }, at: 'reply' | 'request'): Promise<Outcome> => {
    const caught = scene.proxy.catch({ ...trap, at });
    const answer = provider.send(notice);
    (await caught).cut();
    await scene.drained();
    return answer;
  };
  for (const at of ['reply', 'request'] as const) {
    const notice = github.make();
    const answer = await lose(github, notice, NOTICE_COMMIT, at);
    expect(answer).toMatchObject({ kind: 'acknowledged', duplicate: false });
    expect(await github.send(notice)).toMatchObject({ kind: 'acknowledged', duplicate: true, eventId: (answer as { eventId: string }).eventId });
    expect(await lose(github, github.make({ id: notice.providerEventId! }), CONFLICT_COMMIT, at)).toMatchObject({ kind: 'acknowledged' });
    expect(await lose(none, none.make(), UNNAMED_COMMIT, at)).toMatchObject({ kind: 'acknowledged', duplicate: false });
  }
  await scene.receiver.received(4);
  await scene.drained();
  expect(scene.receiver.receipts).toHaveLength(4);
  expect(await scene.sql('SELECT FROM inbound_conflicts')).toHaveLength(2);
  expect(await scene.brokenPromises({ endsWithinMs: SOON_MS })).toEqual([]);
});

test.concurrent('Postgres falls silent under everything that comes in: every request ends soon, as 202, and all is stored once when it speaks again', async (context) => {
  const scene = await setScene(context);
  await scene.start({ env: UNHURRIED });
  const load = await mixedLoad(scene, 40);
  await load.sent(60);
  const silence = scene.proxy.silence();
  await load.sent(150);
  silence.end();
  await load.sent(50);
  await load.stop();
  await scene.drained();
  const outcomes = [...scene.publisher.published, ...scene.providers.flatMap(({ notices }) => notices)].flatMap((sent) => sent.outcomes);
  expect(outcomes.filter(({ kind }) => kind !== 'acknowledged')).toEqual([]);
  expect(await scene.brokenPromises({ endsWithinMs: SOON_MS })).toEqual([]);
});

test.concurrent('killed between the commit of a request to a source and its answer: what the provider sends again is a duplicate, delivered once', async (context) => {
  const scene = await setScene(context);
  const server = await scene.start({ env: PATIENT });
  await scene.webhook('/a', ['calamity.happened']);
  const provider = await scene.provider('github');
  const notice = provider.make();
  const caught = scene.proxy.catch({ ...NOTICE_COMMIT, at: 'reply' });
  const answer = provider.send(notice);
  await caught;
  await server.kill();
  expect(await answer).toMatchObject({ kind: 'broken' });
  await scene.start({ port: portOf(scene), env: PATIENT });
  expect(await provider.insist(notice)).toMatchObject({ duplicate: true });
  await scene.receiver.received(1);
  await scene.drained();
  expect(scene.receiver.receipts).toHaveLength(1);
  expect(await scene.brokenPromises({ endsWithinMs: SOON_MS })).toEqual([]);
});

test.concurrent('killed twice in an outage while everything comes in, repeats and contradictions among it, each time with a torn tail: what was acknowledged is stored once', async (context) => {
  const scene = await setScene(context);
  let server = await scene.start();
  const load = await mixedLoad(scene, 80);
  await load.sent(50);
  for (let round = 0; round < 2; round++) {
    const outage = scene.proxy.refuse();
    await load.sent(120);
    await server.kill();
    const spool = join(scene.dataDir, 'spool/0');
    const newest = readdirSync(spool).filter((name) => name.endsWith('.segment')).sort().at(-1)!;
    appendFileSync(join(spool, newest), randomBytes(50));
    outage.end();
    server = await scene.start({ port: portOf(scene) });
    await load.sent(50);
  }
  await load.stop();
  await scene.drained();
  expect(await scene.brokenPromises({ endsWithinMs: SOON_MS })).toEqual([]);
});

test.concurrent('killed twice in the middle of a drain that holds repeats and contradictions, before a commit and after one: every id is one event, all other bytes are conflicts', async (context) => {
  const scene = await setScene(context);
  let server = await scene.start();
  const load = await mixedLoad(scene, 100);
  await load.sent(50);
  const outage = scene.proxy.refuse();
  await load.sent(400);
  await load.stop();
  let caught = scene.proxy.catch({ ...DRAIN_COMMIT, at: 'request' });
  outage.end();
  await caught;
  await server.kill();
  caught = scene.proxy.catch({ ...DRAIN_COMMIT, at: 'reply' });
  server = await scene.start({ port: portOf(scene) });
  await caught;
  await server.kill();
  await scene.start({ port: portOf(scene) });
  await scene.drained();
  expect((await scene.sql('SELECT FROM inbound_conflicts')).length).toBeGreaterThan(10);
  expect(await scene.brokenPromises({ endsWithinMs: SOON_MS })).toEqual([]);
});
