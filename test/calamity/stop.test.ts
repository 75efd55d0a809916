import { expect, test, type TestContext, vi } from 'vitest';
import { setScene } from './support/scene.js';

/** SIGTERM under load is no calamity. */

vi.setConfig({ testTimeout: 150_000 });

/** Nobody listens any more, or the connection still stood in the listener's backlog when it closed. */
const CLOSED = new Set(['ECONNREFUSED', 'ECONNRESET']);

test('SIGTERM under load: every publish is acknowledged or turned away, everything claimed is finished, the exit code is 0, and the next start goes on', async (context) => {
  const scene = await setScene(context);
  const server = await scene.start();
  const port = Number(new URL(server.url).port);
  await scene.webhook('/a', ['calamity.happened']);
  await scene.webhook('/b', ['calamity.happened'], { retry_policy: { base_seconds: 3, factor: 1, jitter: false } });
  // One answers late, so that something is always in flight; the other refuses every second one at first, so that something always
  // waits and yet its circuit stays closed.
  let refusals = 0;
  scene.receiver.rule = (receipt, earlier) => (receipt.path === '/a' ? void setTimeout(() => receipt.answer(200), 300) : earlier.length > 0 || ++refusals % 2 === 0 ? 200 : 500);
  const load = scene.publisher.steadily(50, () => 'calamity.happened');
  await scene.receiver.received(150);
  const askedAt = Date.now();
  server.signal('SIGTERM');
  expect(await server.exited).toEqual({ code: 0, signal: null });
  const took = server.exitedAt! - askedAt;
  expect(took).toBeLessThan(30_000);
  expect(await scene.sql('SELECT * FROM delivery_queue WHERE claimed_by IS NOT NULL')).toEqual([]);
  expect(await scene.sql('SELECT * FROM dispatchers')).toEqual([]);
  const [{ waiting }] = (await scene.sql<{ waiting: number }>('SELECT count(*)::int AS waiting FROM delivery_queue')) as [{ waiting: number }];
  expect(waiting).toBeGreaterThan(0);

  await scene.start({ port });
  await load.stop();
  await scene.drained();
  const outcomes = scene.publisher.published.flatMap((event) => event.outcomes);
  const wrong = outcomes.filter((outcome) => (outcome.kind === 'answered' && outcome.status !== 503) || (outcome.kind === 'broken' && !CLOSED.has(outcome.code)));
  expect(wrong).toEqual([]);
  const cut = outcomes.filter((outcome) => outcome.kind === 'broken' && outcome.code === 'ECONNRESET').length;
  await context.annotate(`stopped within ${took} ms with ${waiting} deliveries waiting; ${outcomes.filter(({ kind }) => kind === 'broken').length} publishes found nobody (${cut} reset)`, 'recovery');
  expect(await scene.sql("SELECT * FROM attempts WHERE error_class = 'interrupted'")).toEqual([]);
  expect(await scene.brokenPromises()).toEqual([]);
});

/** An attempt that takes 6 s, begun just before SIGTERM, and how the server ends with that much time to stop. */
async function stopDuringAttempt(context: TestContext, shutdownMs: number) {
  const scene = await setScene(context);
  scene.receiver.rule = (receipt, earlier) => (earlier.length > 0 ? 200 : void setTimeout(() => receipt.answer(200), 6_000));
  const server = await scene.start({ env: { SHUTDOWN_TIMEOUT_MS: String(shutdownMs) } });
  await scene.webhook('/a', ['calamity.happened']);
  await scene.publisher.insist(scene.publisher.make('calamity.happened'));
  await scene.receiver.received(1);
  const askedAt = Date.now();
  server.signal('SIGTERM');
  const exit = await server.exited;
  return { scene, exit, took: server.exitedAt! - askedAt };
}

test.concurrent('a SHUTDOWN_TIMEOUT_MS that is longer than an attempt lets it end', async (context) => {
  const { scene, exit, took } = await stopDuringAttempt(context, 15_000);
  expect(exit).toEqual({ code: 0, signal: null });
  expect(took).toBeLessThan(15_000);
  expect(await scene.sql('SELECT status, attempt_count FROM deliveries')).toEqual([{ status: 'succeeded', attempt_count: 1 }]);
  expect(await scene.sql('SELECT FROM dispatchers')).toEqual([]);
});

test.concurrent('a SHUTDOWN_TIMEOUT_MS that is shorter than an attempt cuts it off, and the next start sends again', async (context) => {
  const { scene, exit, took } = await stopDuringAttempt(context, 1_500);
  expect(exit).toEqual({ code: 0, signal: null });
  // Before the receiver answers, at 6 s.
  expect(took).toBeLessThan(5_500);
  expect(await scene.sql('SELECT status FROM deliveries')).toEqual([{ status: 'pending' }]);
  await scene.start();
  await scene.drained();
  expect(await scene.sql('SELECT error_class, response_status FROM attempts ORDER BY attempt')).toEqual([{ error_class: 'interrupted', response_status: null }, { error_class: null, response_status: 200 }]);
  expect(await scene.brokenPromises()).toEqual([]);
});
