import { expect, test, vi } from 'vitest';
import { eventually } from '../support/eventually.js';
import { REDELIVERY_WITHIN_MS } from './support/checker.js';
import { type Scene, setScene } from './support/scene.js';
import { CLAIM } from './support/statements.js';
import type { Server } from './support/server.js';

/** Two servers on one database: they share the work, and each is there when the other is not. */

vi.setConfig({ testTimeout: 150_000 });

/** Everything that a delivery leaves behind. */
const recordOf = (scene: Scene): Promise<unknown[]> => scene.sql(`
  SELECT 'delivery' AS what, to_jsonb(d) AS row FROM deliveries d UNION ALL
  SELECT 'attempt', to_jsonb(a) FROM attempts a UNION ALL
  SELECT 'queue', to_jsonb(q) FROM delivery_queue q UNION ALL
  SELECT 'dead letter', to_jsonb(l) FROM dead_letters l ORDER BY 1, 2`);

/** Waits until a server that was paused has caught up with its heartbeats. */
const isBack = (scene: Scene, { pid }: Server): Promise<unknown> => eventually('the paused server to report again', async () => {
  const rows = await scene.sql(`SELECT FROM dispatchers WHERE pid = ${pid} AND heartbeat_at > now() - interval '2 seconds'`);
  return rows.length > 0;
});

test.concurrent('two workers under load send everything exactly once; when one is killed, the other sends within 15 s what it held', async (context) => {
  const scene = await setScene(context);
  const workers = await Promise.all([scene.start(), scene.start()]);
  await scene.webhook('/a', ['calamity.happened']);
  await scene.webhook('/b', ['calamity.happened']);
  const load = scene.publisher.steadily(50, () => 'calamity.happened');
  await scene.receiver.received(300);
  const claimants = await scene.sql('SELECT FROM dispatchers');
  expect(claimants).toHaveLength(2);
  await load.stop();
  await scene.drained();
  expect(scene.receiver.receipts).toHaveLength(2 * scene.publisher.published.length);
  expect(await scene.brokenPromises()).toEqual([]);

  // From here on the receiver takes its time, so that the killed worker holds something.
  scene.receiver.rule = (receipt) => void setTimeout(() => receipt.answer(200), 100);
  const moreLoad = scene.publisher.steadily(50, () => 'calamity.happened');
  await scene.receiver.received(2 * scene.publisher.published.length + 100);
  // Whichever has claimed something: the other may have had nothing to do just then.
  const holder = await eventually('a worker to hold something', async () => {
    const [row] = await scene.sql<{ pid: number }>('SELECT d.pid FROM delivery_queue q JOIN dispatchers d ON d.dispatcher_id = q.claimed_by GROUP BY d.pid ORDER BY count(*) DESC LIMIT 1');
    return workers.find(({ pid }) => pid === row?.pid);
  });
  await holder.kill();
  await eventually('the other worker to take over', async () => (await scene.sql("SELECT FROM attempts WHERE error_class = 'interrupted'")).length > 0);
  await moreLoad.stop();
  await scene.drained();
  const [{ redelivered, latest }] = (await scene.sql<{ redelivered: number; latest: Date }>(`
    SELECT count(*)::int AS redelivered, max(n.started_at) AS latest FROM attempts a JOIN attempts n ON n.delivery_id = a.delivery_id AND n.attempt = a.attempt + 1
     WHERE a.error_class = 'interrupted'`)) as [{ redelivered: number; latest: Date }];
  await context.annotate(`${redelivered} deliveries sent again, the last ${latest.getTime() - holder.exitedAt!} ms after the kill`, 'recovery');
  expect(latest.getTime() - holder.exitedAt!).toBeLessThan(REDELIVERY_WITHIN_MS);
  expect(await scene.brokenPromises()).toEqual([]);
});

test.concurrent('a worker that is paused while others take its deliveries over changes nothing when it continues with their outcomes', async (context) => {
  const scene = await setScene(context);
  scene.receiver.rule = (_, earlier) => (earlier.length > 0 ? 200 : undefined);
  const paused = await scene.start();
  await scene.webhook('/a', ['calamity.happened'], { retry_policy: { base_seconds: 0, max_retries: 0 } });
  for (let n = 0; n < 6; n++) await scene.publisher.insist(scene.publisher.make('calamity.happened'));
  const held = [...(await scene.receiver.received(6))];
  await scene.start();
  paused.signal('SIGSTOP');
  const stoppedAt = Date.now();
  scene.crashes.push(stoppedAt);
  await scene.receiver.received(12, REDELIVERY_WITHIN_MS + 2_000);
  await context.annotate(`${scene.receiver.receipts.at(-1)!.at - stoppedAt} ms after the pause began`, 'recovery');
  await scene.drained();
  const record = await recordOf(scene);
  expect(await scene.sql('SELECT FROM attempts')).toHaveLength(12);
  // A 200 would end the delivery, a 500 without retries would make it a dead letter.
  held.forEach((receipt, index) => receipt.answer(index % 2 === 0 ? 200 : 500));
  paused.signal('SIGCONT');
  await isBack(scene, paused);
  await eventually('all six outcomes to be turned away', () => paused.output().split('after others had taken its delivery over').length - 1 === 6);
  expect(await recordOf(scene)).toEqual(record);
  expect(scene.receiver.receipts).toHaveLength(12);
  expect(await scene.brokenPromises()).toEqual([]);
});

test.concurrent('a worker that is paused between claim and send sends late, under the same webhook-id, and its outcome changes nothing', async (context) => {
  const scene = await setScene(context);
  const paused = await scene.start();
  await scene.webhook('/a', ['calamity.happened']);
  const caught = scene.proxy.catch({ ...CLAIM, at: 'reply' });
  await scene.publisher.insist(scene.publisher.make('calamity.happened'));
  const connection = await caught;
  paused.signal('SIGSTOP');
  scene.crashes.push(Date.now());
  await scene.start({ direct: true });
  await scene.receiver.received(1, REDELIVERY_WITHIN_MS);
  await scene.drained();
  const record = await recordOf(scene);
  scene.receiver.rule = () => 500;
  connection.release();
  paused.signal('SIGCONT');
  await scene.receiver.received(2);
  await eventually('the late outcome to be turned away', () => paused.output().includes('after others had taken its delivery over'));
  expect(await recordOf(scene)).toEqual(record);
  expect(await scene.brokenPromises()).toEqual([]);
});

test.concurrent('a worker that claims before it has noticed that others declared it dead, and then dies, holds those claims for 15 s at most', async (context) => {
  const scene = await setScene(context);
  const doomed = await scene.start();
  const other = await scene.start({ direct: true });
  const { webhookId } = await scene.webhook('/a', ['calamity.happened']);
  const pauseWebhook = (isActive: boolean): Promise<unknown> => scene.sql('UPDATE webhooks SET is_active = $2 WHERE webhook_id = $1', [webhookId, isActive]);
  await pauseWebhook(false);
  await scene.publisher.insist(scene.publisher.make('calamity.happened'));
  await eventually('the delivery to wait', async () => (await scene.sql('SELECT FROM delivery_queue')).length === 1);
  doomed.signal('SIGSTOP');
  await eventually('the paused worker to be declared dead', async () => (await scene.sql(`SELECT FROM dispatchers WHERE pid = ${doomed.pid}`)).length === 0);
  // For a moment the doomed one is alone, and something is due.
  other.signal('SIGSTOP');
  await pauseWebhook(true);
  const caught = scene.proxy.catch({ ...CLAIM, at: 'reply' });
  doomed.signal('SIGCONT');
  await caught;
  await doomed.kill();
  other.signal('SIGCONT');
  const [receipt] = await scene.receiver.received(1, REDELIVERY_WITHIN_MS);
  await context.annotate(`${receipt!.at - doomed.exitedAt!} ms after the kill`, 'recovery');
  await scene.drained();
  expect(await scene.brokenPromises()).toEqual([]);
});
