import { expect, test, vi } from 'vitest';
import { REDELIVERY_WITHIN_MS } from './support/checker.js';
import { setScene } from './support/scene.js';
import { APPEND_COMMIT, CLAIM, FAN_OUT_COMMIT, SETTLE } from './support/statements.js';

/** The connection to Postgres breaks after a commit and before its reply, and the server lives on. */

vi.setConfig({ testTimeout: 150_000 });

test.concurrent('the reply to a publish\'s commit is lost: without a spool the publisher is not told 202, and its retry is a duplicate that was delivered once', async (context) => {
  const scene = await setScene(context);
  await scene.start({ env: { INGEST_SPOOL: 'off' } });
  await scene.webhook('/a', ['calamity.happened']);
  const caught = scene.proxy.catch({ ...APPEND_COMMIT, at: 'reply' });
  const event = scene.publisher.make('calamity.happened');
  const answer = scene.publisher.send(event);
  (await caught).cut();
  expect(await answer).toMatchObject({ kind: 'answered', status: 503 });
  expect(await scene.publisher.insist(event)).toMatchObject({ eventId: event.eventId, duplicate: true });
  await scene.receiver.received(1);
  await scene.drained();
  expect(scene.receiver.receipts).toHaveLength(1);
  expect(scene.servers[0]!.exitedAt).toBeUndefined();
  expect(await scene.brokenPromises()).toEqual([]);
});

test.concurrent('the reply to a claim is lost: the deliveries that nobody knows to be claimed are sent within 15 s', async (context) => {
  const scene = await setScene(context);
  await scene.start();
  await scene.webhook('/a', ['calamity.happened']);
  const caught = scene.proxy.catch({ ...CLAIM, at: 'reply' });
  await scene.publisher.insist(scene.publisher.make('calamity.happened'));
  (await caught).cut();
  const lostAt = Date.now();
  scene.crashes.push(lostAt);
  const [receipt] = await scene.receiver.received(1, REDELIVERY_WITHIN_MS);
  await context.annotate(`${receipt!.at - lostAt} ms after the loss`, 'recovery');
  await scene.drained();
  expect(scene.receiver.receipts).toHaveLength(1);
  expect(await scene.brokenPromises()).toEqual([]);
});

test.concurrent('the reply to the record of an attempt is lost: the attempt is on record once, and nothing is sent again', async (context) => {
  const scene = await setScene(context);
  await scene.start();
  await scene.webhook('/a', ['calamity.happened']);
  const caught = scene.proxy.catch({ ...SETTLE, at: 'reply' });
  await scene.publisher.insist(scene.publisher.make('calamity.happened'));
  (await caught).cut();
  // What comes after it shows that the server has gone on.
  await scene.publisher.insist(scene.publisher.make('calamity.happened'));
  await scene.receiver.received(2);
  await scene.drained();
  expect(scene.receiver.receipts).toHaveLength(2);
  expect(await scene.brokenPromises()).toEqual([]);
});

test.concurrent('the record of an attempt never reaches Postgres: it is recorded on the next connection, and nothing is sent again', async (context) => {
  const scene = await setScene(context);
  await scene.start();
  await scene.webhook('/a', ['calamity.happened']);
  const caught = scene.proxy.catch({ ...SETTLE, at: 'request' });
  await scene.publisher.insist(scene.publisher.make('calamity.happened'));
  (await caught).cut();
  await scene.drained();
  expect(scene.receiver.receipts).toHaveLength(1);
  expect(await scene.brokenPromises()).toEqual([]);
});

test.concurrent('the reply to the fan-out\'s commit is lost: every matching webhook gets exactly one delivery', async (context) => {
  const scene = await setScene(context);
  await scene.start();
  await scene.webhook('/a', ['calamity.happened']);
  await scene.webhook('/b', ['calamity.happened']);
  const caught = scene.proxy.catch({ ...FAN_OUT_COMMIT, at: 'reply' });
  await scene.publisher.insist(scene.publisher.make('calamity.happened'));
  (await caught).cut();
  await scene.receiver.received(2);
  await scene.drained();
  expect(scene.receiver.receipts.map(({ path }) => path).sort()).toEqual(['/a', '/b']);
  expect(await scene.brokenPromises()).toEqual([]);
});
