import { expect, test, vi } from 'vitest';
import { ADMIN_KEY } from '../support/house.js';
import { eventually } from '../support/eventually.js';
import { type Scene, setScene } from './support/scene.js';
import { SETTLE } from './support/statements.js';

/** What lies in Postgres about the flow to a webhook (its circuit, its lines) outlives every process. */

vi.setConfig({ testTimeout: 180_000 });

const PATIENT = { base_seconds: 0.05, factor: 1, jitter: false, max_retries: 20 };

/** The numbers of the events sent to a path, without what was sent again right after itself. */
function sequence(scene: Scene, path: string): number[] {
  const numbers = scene.receiver.receipts.filter((receipt) => receipt.path === path).map(({ body }) => Number(/"n":(\d+)/.exec(body.toString())![1]));
  return numbers.filter((n, at) => numbers[at - 1] !== n);
}

const circuitOf = async (scene: Scene, webhookId: string): Promise<string> => {
  const { url } = scene.servers.findLast(({ exitedAt }) => exitedAt === undefined)!;
  const response = await fetch(`${url}/v1/webhooks/${webhookId}`, { headers: { authorization: `Bearer ${ADMIN_KEY}` } });
  return ((await response.json()) as { circuit: { state: string } }).circuit.state;
};

test('two processes, killed again and again, deliver each line in order', async (context) => {
  const scene = await setScene(context);
  await scene.start({ direct: true });
  await scene.start({ direct: true });
  await scene.webhook('/line', ['calamity.happened'], { ordered: true, retry_policy: PATIENT });
  await scene.webhook('/keyed', ['calamity.happened'], { ordered: true, order_key: 'data.run', retry_policy: PATIENT });
  let requests = 0;
  scene.receiver.rule = (receipt, earlier) => {
    const status = earlier.some((before) => before.status === 200) || ++requests % 7 > 0 ? 200 : 500;
    return void setTimeout(() => receipt.answer(status), requests % 5);
  };
  const published: number[] = [];
  for (let n = 0; n < 240; n++) {
    const event = scene.publisher.make('calamity.happened');
    await scene.publisher.insist(event);
    published.push(Number(/"n":(\d+)/.exec(event.data)![1]));
    if (n % 40 !== 20) continue;
    const victim = scene.servers.findLast(({ exitedAt }) => exitedAt === undefined)!;
    await victim.kill();
    await scene.start({ port: Number(new URL(victim.url).port), direct: true });
  }
  await scene.drained(90_000);
  for (const path of ['/line', '/keyed']) expect(sequence(scene, path), path).toEqual(published);
  expect(await scene.brokenPromises()).toEqual([]);
});

test('killed between recording a delivery and letting the next of its line go: the next goes after the restart', async (context) => {
  const scene = await setScene(context);
  const server = await scene.start();
  await scene.webhook('/line', ['calamity.happened'], { ordered: true });
  scene.receiver.rule = () => undefined;
  for (let n = 0; n < 3; n++) await scene.publisher.insist(scene.publisher.make('calamity.happened'));
  const [first] = await scene.receiver.received(1);
  const caught = scene.proxy.catch({ ...SETTLE, at: 'reply' });
  scene.receiver.rule = () => 200;
  first!.answer(200);
  await caught;
  await server.kill();
  await scene.start({ port: Number(new URL(server.url).port) });
  await scene.drained();
  expect(scene.receiver.receipts).toHaveLength(3);
  expect(await scene.brokenPromises()).toEqual([]);
});

test('a circuit stays open over a kill, and a probe lost with its process is made again', async (context) => {
  const scene = await setScene(context);
  const server = await scene.start({ direct: true });
  const port = Number(new URL(server.url).port);
  const { webhookId } = await scene.webhook('/down', ['calamity.happened'], { retry_policy: PATIENT });
  scene.receiver.rule = () => 500;
  for (let n = 0; n < 12; n++) await scene.publisher.insist(scene.publisher.make('calamity.happened'));
  await eventually('the circuit to open', async () => (await circuitOf(scene, webhookId)) === 'open');
  await server.kill();
  const before = scene.receiver.receipts.length;
  // The next probe is never answered: it goes down with its process.
  scene.receiver.rule = () => undefined;
  const second = await scene.start({ port, direct: true });
  expect(await circuitOf(scene, webhookId)).toMatch(/open/);
  await scene.receiver.received(before + 1);
  expect(await circuitOf(scene, webhookId)).toBe('half_open');
  await second.kill();
  scene.receiver.rule = () => 200;
  await scene.start({ port, direct: true });
  // Its lease runs for a minute and a half; nobody has to wait for that here.
  await scene.sql("UPDATE webhook_flows SET probe_at = now()");
  await scene.drained();
  expect(await circuitOf(scene, webhookId)).toBe('closed');
  expect(await scene.brokenPromises()).toEqual([]);
});
