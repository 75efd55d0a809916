import { mkdtempSync, rmSync } from 'node:fs';
import { Agent } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, inject, onTestFailed, onTestFinished, test, vi } from 'vitest';
import { withoutDatabase } from '../support/database.js';
import { eventually } from '../support/eventually.js';
import { startHouse, TestClock, useHouse } from '../support/house.js';
import { givenSource } from '../support/provider.js';
import { brokenAtTheGate } from './support/gate-checker.js';
import { type Notice, Provider, SECRETS } from './support/provider.js';
import { Publisher } from './support/publisher.js';
import { randomOf, SEED } from './support/random.js';
import { SOON_MS } from './support/scene.js';

/** Providers that say everything many times over, to two processes at once, around midnight. */

vi.setConfig({ testTimeout: 150_000 });

const house = useHouse();
const DAY_MS = 86_400_000;
const SOCKETS = 8;

/** Where midnight is, as partitions have it: the UTC day of recording. */
const days = async (): Promise<string[]> => (await house.sql<{ day: string }>("SELECT DISTINCT tableoid::regclass::text AS day FROM events WHERE source_id IS NOT NULL")).map(({ day }) => day);

test('each notice 1 to 20 times over 8 sockets to two processes whose clocks differ, across midnight: one event each, in either day; other bytes are conflicts', async () => {
  onTestFailed(() => console.error(`CALAMITY_SEED=${SEED} repeats this run`));
  const random = randomOf(SEED);
  // The second process is ahead, so that for a while one of them has today and the other tomorrow.
  const later = new TestClock();
  const toMidnight = DAY_MS - (house.clock.now() % DAY_MS);
  house.clock.advance(toMidnight - 3_000);
  later.advance(toMidnight + 60_000);
  const neighbour = await startHouse(house.databaseUrl, {}, later);
  onTestFinished(() => neighbour.stop());
  const urls = [house.url, neighbour.url];

  const providers = await Promise.all((['github', 'stripe', 'standard_webhooks'] as const).map(async (kind) => {
    const { source_id, ingest_path } = await givenSource(house, { provider: kind, secrets: SECRETS[kind] });
    return new Provider(kind, source_id, ingest_path, () => urls, () => house.clock.now());
  }));
  const sends: { provider: Provider; notice: Notice }[] = [];
  for (let n = 0; n < 150; n++) {
    const provider = providers[n % providers.length]!;
    const notice = provider.make();
    for (let times = 1 + Math.floor(random() * 20); times > 0; times--) sends.push({ provider, notice });
    if (n % 10 === 0) sends.push({ provider, notice: provider.make({ id: notice.providerEventId! }) });
  }
  // Mostly near to each other, as repeats are, but some from one end of the storm to the other.
  const shuffled = sends.map((send, at) => ({ send, at: random() < 0.2 ? random() * sends.length : at + random() * 40 })).sort((a, b) => a.at - b.at).map(({ send }) => send);

  const agents = Array.from({ length: SOCKETS }, () => new Agent({ keepAlive: true, maxSockets: 1 }));
  let next = 0;
  await Promise.all(agents.map(async (agent, socket) => {
    for (let at = next++; at < shuffled.length; at = next++) {
      // The first process comes to midnight in the middle of the storm.
      if (at === shuffled.length >> 1) house.clock.advance(3_000);
      await shuffled[at]!.provider.send(shuffled[at]!.notice, { agent, url: urls[socket % 2] });
    }
  }));
  for (const agent of agents) agent.destroy();

  const notices = providers.flatMap((provider) => provider.notices);
  expect(await brokenAtTheGate(house.databaseUrl, { notices, endsWithinMs: SOON_MS })).toEqual([]);
  const answers = [...Map.groupBy(notices, ({ sourceId, providerEventId }) => `${sourceId}/${providerEventId}`).values()].map((same) => same.flatMap(({ outcomes }) => outcomes));
  // Postgres was there all the time: exactly one of all the tries was called new.
  expect(answers.filter((outcomes) => outcomes.filter((outcome) => outcome.kind === 'acknowledged' && !outcome.duplicate).length !== 1)).toEqual([]);
  expect(await days()).toHaveLength(2);
  expect(await house.sql('SELECT FROM inbound_conflicts')).toHaveLength(15);
});

test('the clock goes back by ten minutes in an outage, and stays back over a restart: all that comes in is acknowledged and stored once, and what was known before is known after', async () => {
  const clock = new TestClock();
  const folder = mkdtempSync(join(tmpdir(), 'lakehook-calamity-'));
  let running = await startHouse(house.databaseUrl, { DATA_DIR: folder }, clock);
  onTestFinished(async () => {
    await running.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  const { source_id, ingest_path } = await givenSource(house, { provider: 'github', secrets: SECRETS.github });
  const provider = new Provider('github', source_id, ingest_path, () => [running.url]);
  const publisher = new Publisher(() => [running.url]);
  const early = Array.from({ length: 10 }, () => provider.make());
  const some = async (): Promise<void> => {
    for (const notice of [...early.slice(0, 5), provider.make(), provider.make(), provider.make({ id: early[0]!.providerEventId! })]) await provider.send(notice);
    for (const event of [publisher.make('clock.went'), publisher.make('clock.went', { unnamed: true }), publisher.published[0]!]) await publisher.send(event);
  };
  await some();
  await withoutDatabase(inject('postgresUrl'), house.databaseUrl, async () => {
    await some();
    clock.advance(-600_000);
    await some();
    await running.stop();
  });
  running = await startHouse(house.databaseUrl, { DATA_DIR: folder }, clock);
  await eventually('the spool to be drained', async () => ((await (await fetch(`${running.url}/readyz`)).json()) as { checks: { spool: string } }).checks.spool === 'ok');
  for (const notice of early) await provider.send(notice);
  expect(await provider.send(early[0]!)).toMatchObject({ kind: 'acknowledged', duplicate: true });
  await some();
  const here = async (): Promise<string[]> => (await brokenAtTheGate(house.databaseUrl, { notices: provider.notices, published: publisher.published, endsWithinMs: SOON_MS })).filter((fault) => fault.includes(source_id) || !fault.startsWith('I2: nobody sent'));
  expect(await here()).toEqual([]);
  const stored = await house.sql<{ data: string }>("SELECT data::text AS data FROM events WHERE event_type = 'clock.went'");
  expect(stored.map(({ data }) => data).sort()).toEqual(publisher.published.map(({ data }) => data).sort());
});
