import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test, type TestContext, vi } from 'vitest';
import { startEmbeddedPostgres } from '../../src/platform/db/embedded.js';
import { eventually } from '../support/eventually.js';
import { type Scene, PATIENCE_MS, setScene, temporaryFolder } from './support/scene.js';

/** The database dies under load. Each test has a cluster of its own. */

vi.setConfig({ testTimeout: 180_000 });

const postmasterOf = (folder: string): number => Number(readFileSync(join(folder, 'postgres/postmaster.pid'), 'utf8').split('\n', 1)[0]);

/** Whether Postgres takes connections. */
const answers = (scene: Scene): Promise<boolean> => scene.sql('SELECT 1').then(() => true, () => false);

/** A publish ends as 202 or 503, or its connection breaks because nobody listens. */
function expectNothingStrange(scene: Scene, { refused = false } = {}): void {
  const outcomes = scene.publisher.published.flatMap((event) => event.outcomes);
  const strange = outcomes.filter((outcome) => outcome.kind === 'hung' || (outcome.kind === 'answered' && outcome.status !== 503) || (outcome.kind === 'broken' && !refused));
  expect(strange).toEqual([]);
}

async function tell(context: TestContext, scene: Scene, outages: number[]): Promise<void> {
  const outcomes = scene.publisher.published.flatMap((event) => event.outcomes);
  const counts = Object.entries(Object.groupBy(outcomes, (outcome) => (outcome.kind === 'answered' ? String(outcome.status) : outcome.kind))).map(([kind, all]) => `${all!.length} ${kind}`);
  await context.annotate(`outages of ${outages.join(', ')} ms until the next 202; publishes: ${counts.join(', ')}; the slowest took ${Math.max(...outcomes.map(({ ms }) => ms))} ms`, 'recovery');
}

/** Waits for a publish that begins after now to be acknowledged. Answers how long that took. */
async function untilAcknowledged(scene: Scene): Promise<number> {
  const from = Date.now();
  await scene.publisher.insist(scene.publisher.make('calamity.happened'), PATIENCE_MS);
  return Date.now() - from;
}

test('Postgres is killed three times under load and comes back: the server lives, every publish ends as 202 or 503, and nothing is lost', async (context) => {
  const folder = temporaryFolder();
  const postgres = await startEmbeddedPostgres(folder, () => {});
  onTestFinished(async () => {
    await postgres.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  const scene = await setScene(context, { databaseUrl: postgres.url });
  const server = await scene.start({ direct: true });
  await scene.webhook('/a', ['calamity.happened']);
  await scene.webhook('/b', ['calamity.happened']);
  scene.receiver.rule = (receipt) => void setTimeout(() => receipt.answer(200), 20);
  const load = scene.publisher.steadily(40, () => 'calamity.happened');
  const outages: number[] = [];
  for (const signal of ['SIGKILL', 'SIGQUIT', 'SIGKILL'] as const) {
    await scene.receiver.received(scene.receiver.receipts.length + 60);
    const postmaster = postmasterOf(folder);
    process.kill(postmaster, signal);
    scene.crashes.push(Date.now());
    await eventually('Postgres to be gone', async () => !(await answers(scene)), PATIENCE_MS);
    outages.push(await untilAcknowledged(scene));
    await eventually('another Postgres to answer', async () => (await answers(scene)) && postmasterOf(folder) !== postmaster, PATIENCE_MS);
  }
  await load.stop();
  await scene.drained();
  await tell(context, scene, outages);
  expect(server.exitedAt).toBeUndefined();
  expectNothingStrange(scene);
  expect(await scene.brokenPromises()).toEqual([]);
});

test('a server with a Postgres of its own is killed, and then that Postgres too: a restart with the same DATA_DIR has everything', async (context) => {
  const folder = temporaryFolder();
  onTestFinished(() => {
    // What a failed test leaves behind; after a good one the last server has stopped it.
    if (existsSync(join(folder, 'postgres/postmaster.pid'))) process.kill(postmasterOf(folder), 'SIGQUIT');
    rmSync(folder, { recursive: true, force: true });
  });
  const scene = await setScene(context, { folder });
  scene.receiver.rule = (receipt) => void setTimeout(() => receipt.answer(200), 20);
  const first = await scene.start();
  const port = Number(new URL(first.url).port);
  await scene.webhook('/a', ['calamity.happened']);
  const load = scene.publisher.steadily(40, () => 'calamity.happened');
  await scene.receiver.received(60);

  await first.kill();
  await scene.start({ port });
  const outages = [await untilAcknowledged(scene)];
  await scene.receiver.received(scene.receiver.receipts.length + 60);

  await scene.servers.at(-1)!.kill();
  process.kill(postmasterOf(folder), 'SIGKILL');
  const last = await scene.start({ port });
  outages.push(await untilAcknowledged(scene));
  await load.stop();
  await scene.drained();
  await tell(context, scene, outages);
  expectNothingStrange(scene, { refused: true });
  expect(await scene.brokenPromises()).toEqual([]);
  last.signal('SIGTERM');
  expect(await last.exited).toEqual({ code: 0, signal: null });
  expect(existsSync(join(folder, 'postgres/postmaster.pid'))).toBe(false);
});
