import { expect, test, vi } from 'vitest';
import { eventually } from '../support/eventually.js';
import { randomOf, SEED } from './support/random.js';
import { setScene } from './support/scene.js';

/** Twenty kills at random moments, for all that the exact ones have not thought of. */

const KILLS = 20;
vi.setConfig({ testTimeout: 280_000 });

test(`${KILLS} kills at random moments of a server under 50 events/s keep every promise (seed ${SEED})`, async (context) => {
  const random = randomOf(SEED);
  const scene = await setScene(context);
  const first = await scene.start({ direct: true });
  const port = Number(new URL(first.url).port);
  await scene.webhook('/all', ['calamity.happened', 'calamity.doomed']);
  await scene.webhook('/some', ['calamity.happened'], { retry_policy: { base_seconds: 0.2, factor: 2, max_retries: 8, jitter: true } });
  // Once taken, an event is always taken: a receiver that drops doubles answers 200 to them.
  scene.receiver.rule = (receipt, earlier) => {
    if (receipt.body.includes('"event_type":"calamity.doomed"')) return 500;
    const status = earlier.some((before) => before.status === 200) || random() > 0.1 || receipt.path === '/all' ? 200 : 500;
    return void setTimeout(() => receipt.answer(status), random() * 60);
  };
  const load = scene.publisher.steadily(50, (n) => (n % 50 === 7 ? 'calamity.doomed' : 'calamity.happened'));
  for (let kill = 1; kill <= KILLS; kill++) {
    const server = scene.servers.at(-1)!;
    // Some live for less than the five seconds after which a server may take over from the dead, some for longer.
    const life = 100 + random() ** 3 * 7_000;
    await eventually(`the moment of kill ${kill}`, () => Date.now() - server.readyAt >= life, life + 60_000);
    await server.kill();
    await scene.start({ port, direct: true });
  }
  await load.stop();
  await scene.drained(90_000);
  const [{ interrupted, dead }] = (await scene.sql<{ interrupted: number; dead: number }>(`
    SELECT (SELECT count(*)::int FROM attempts WHERE error_class = 'interrupted') AS interrupted, (SELECT count(*)::int FROM dead_letters) AS dead`)) as [{ interrupted: number; dead: number }];
  const last = scene.servers.at(-1)!;
  await context.annotate(`${scene.publisher.published.length} events, ${scene.receiver.receipts.length} requests, ${interrupted} interrupted attempts, ${dead} dead letters; drained ${Date.now() - last.readyAt} ms after the last start`, 'recovery');
  expect(interrupted).toBeGreaterThan(0);
  expect(await scene.brokenPromises()).toEqual([]);
});
