import { expect, test, vi } from 'vitest';
import { ADMIN_KEY } from '../support/house.js';
import { eventually } from '../support/eventually.js';
import { type Scene, setScene } from './support/scene.js';

/** An operator's pause lies in Postgres, and so does what of its backlog is worked off. */

vi.setConfig({ testTimeout: 180_000 });

interface Status { paused: boolean; draining: boolean; events_waiting: number }

async function operate(scene: Scene, body?: object): Promise<Status> {
  const { url } = scene.servers.findLast(({ exitedAt }) => exitedAt === undefined)!;
  const response = await fetch(`${url}/v1/operations/processing`, {
    method: body ? 'POST' : 'GET', headers: { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'application/json' }, ...(body && { body: JSON.stringify(body) }),
  });
  expect(response.status).toBe(200);
  return (await response.json()) as Status;
}

async function restart(scene: Scene): Promise<void> {
  const victim = scene.servers.findLast(({ exitedAt }) => exitedAt === undefined)!;
  await victim.kill();
  await scene.start({ port: Number(new URL(victim.url).port), direct: true });
}

test.concurrent('killed while paused: still paused after the restart, and what was acknowledged in between is delivered after the resume', async (context) => {
  const scene = await setScene(context);
  await scene.start({ direct: true });
  await scene.webhook('/a', ['calamity.happened']);
  await operate(scene, { paused: true });
  for (let n = 0; n < 60; n++) {
    await scene.publisher.insist(scene.publisher.make('calamity.happened'));
    if (n % 20 === 10) await restart(scene);
  }
  await eventually('all to wait', async () => (await operate(scene)).events_waiting === 60);
  expect(await operate(scene)).toMatchObject({ paused: true, events_waiting: 60 });
  expect(scene.receiver.receipts).toEqual([]);
  await operate(scene, { paused: false });
  await scene.receiver.received(60);
  await scene.drained();
  expect(await scene.brokenPromises()).toEqual([]);
});

test.concurrent('two processes, one after the other killed while a backlog is worked off at a pace: nothing is lost, nothing twice, and a line keeps its order', async (context) => {
  const scene = await setScene(context);
  await scene.start({ direct: true });
  await scene.start({ direct: true });
  await scene.webhook('/a', ['calamity.happened']);
  await scene.webhook('/line', ['calamity.happened'], { ordered: true });
  await operate(scene, { paused: true });
  const published: number[] = [];
  for (let n = 0; n < 120; n++) {
    const event = scene.publisher.make('calamity.happened');
    await scene.publisher.insist(event);
    published.push(Number(/"n":(\d+)/.exec(event.data)![1]));
  }
  // The other process may have taken some before it heard of the pause.
  await operate(scene, { paused: false, resume_events_per_second: 20 });
  for (let kills = 1; kills <= 3; kills++) {
    await eventually('some more to be delivered', () => scene.receiver.receipts.length >= kills * 40, 60_000);
    await restart(scene);
  }
  await scene.drained(90_000);
  const line = scene.receiver.receipts.filter(({ path }) => path === '/line').map(({ body }) => Number(/"n":(\d+)/.exec(body.toString())![1]));
  expect(line.filter((n, at) => line[at - 1] !== n)).toEqual(published);
  expect(await scene.brokenPromises()).toEqual([]);
  await eventually('the pace to end', async () => !(await operate(scene)).draining);
});
