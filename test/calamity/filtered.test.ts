import { expect, test, type TestContext, vi } from 'vitest';
import { type Scene, setScene } from './support/scene.js';
import { FAN_OUT_COMMIT, FAN_OUT_COUNT, FAN_OUT_INSERT } from './support/statements.js';

/** What a filter refuses is counted in the transaction that fans out: once, whatever breaks in the middle of it. */

vi.setConfig({ testTimeout: 150_000 });

async function setFilteredScene(context: TestContext): Promise<Scene> {
  const scene = await setScene(context);
  await scene.start();
  await scene.webhook('/a', ['calamity.happened']);
  const refusing = await scene.webhook('/b', ['calamity.happened'], { filter: { 'data.n': { $lt: 0 } } });
  refusing.wants = () => false;
  return scene;
}

const counts = (scene: Scene): Promise<{ count: number }[]> => scene.sql<{ count: number }>('SELECT sum(count)::int AS count FROM filtered_events');

test.concurrent.for([
  ['after writing the deliveries', FAN_OUT_INSERT],
  ['after counting', FAN_OUT_COUNT],
  ['after its commit', FAN_OUT_COMMIT],
] as const)('killed in the middle of the fan-out, %s: what the filter refused is counted once', async ([, trap], context) => {
  const scene = await setFilteredScene(context);
  const [server] = scene.servers;
  const caught = scene.proxy.catch({ ...trap, at: 'reply' });
  await scene.publisher.insist(scene.publisher.make('calamity.happened'));
  await caught;
  await server!.kill();
  await scene.start({ port: Number(new URL(server!.url).port) });
  await scene.receiver.received(1);
  await scene.drained();
  expect(scene.receiver.receipts.map(({ path }) => path)).toEqual(['/a']);
  expect(await counts(scene)).toEqual([{ count: 1 }]);
  expect(await scene.brokenPromises()).toEqual([]);
});

test.concurrent.for([['count', FAN_OUT_COUNT], ['commit', FAN_OUT_COMMIT]] as const)('the reply to the %s of a fan-out is lost: what the filter refused is counted once', async ([, trap], context) => {
  const scene = await setFilteredScene(context);
  const caught = scene.proxy.catch({ ...trap, at: 'reply' });
  await scene.publisher.insist(scene.publisher.make('calamity.happened'));
  (await caught).cut();
  await scene.receiver.received(1);
  await scene.drained();
  expect(scene.receiver.receipts.map(({ path }) => path)).toEqual(['/a']);
  expect(await counts(scene)).toEqual([{ count: 1 }]);
  expect(await scene.brokenPromises()).toEqual([]);
});
