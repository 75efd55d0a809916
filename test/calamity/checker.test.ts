import { expect, test, vi } from 'vitest';
import type { Receipt } from './support/ledger-receiver.js';
import { type Scene, setScene } from './support/scene.js';

/** A checker that finds nothing proves nothing: here it is shown what it must find. */

vi.setConfig({ testTimeout: 150_000 });

const FORGERIES: [name: string, forge: (scene: Scene, receipt: Receipt) => unknown, finding: RegExp][] = [
  ['a request that no attempt explains', (scene, receipt) => scene.receiver.receipts.push({ ...receipt }), /^I5: 2 requests, 1 attempts/],
  ['another webhook-id', (scene, receipt) => scene.receiver.receipts.push({ ...receipt, webhookId: 'another' }), /^I8: sent as another/],
  ['a byte that changed on the way', (scene, receipt) => scene.receiver.receipts.splice(0, 1, { ...receipt, body: Buffer.from(receipt.body.toString().replace('1e2', '100')) }), /^I2: .* arrived as/],
  ['a receiver that never took it', (scene) => scene.receiver.receipts.splice(0), /^I4: succeeded and the receiver never took it/],
  ['a publisher that was never there', (scene) => scene.publisher.published.splice(0), /^I2: nobody published/],
  ['an acknowledged event that is gone', (scene) => scene.sql('DELETE FROM events'), /^I1: .* was acknowledged and is not stored/],
  ['an event stored twice', (scene) => scene.sql("INSERT INTO events SELECT tenant_id, recorded_at, event_id || '-2', event_type, occurred_at, data, metadata FROM events"), /^I1: .* is stored 2 times/],
  ['a delivery that was never made', (scene) => scene.sql('DELETE FROM deliveries'), /^I4: no delivery of/],
  ['a delivery made twice', (scene) => scene.sql("INSERT INTO deliveries SELECT tenant_id, created_at, gen_random_uuid(), webhook_id, event_id, event_recorded_at, event_type, is_test, status FROM deliveries"), /^I4: 2 deliveries of/],
  ['a delivery that still waits', (scene) => scene.sql("UPDATE deliveries SET status = 'retrying'"), /^I4: ended as retrying/],
  ['a dead letter without a reason', (scene) => scene.sql("UPDATE deliveries SET status = 'dead'"), /^I4: dead without a reason/],
  ['an attempt that was interrupted for good', (scene) => scene.sql("UPDATE attempts SET error_class = 'interrupted'"), /^I5: interrupted and never attempted again/],
  ['a successful attempt that the receiver knows nothing of', (scene) => scene.sql("INSERT INTO attempts SELECT delivery_id, 2, started_at, tenant_id, webhook_id, trigger, 1, NULL, 200 FROM attempts"), /^I5: two attempts on record succeeded/],
];

test('the checker finds every kind of broken promise', async (context) => {
  const scene = await setScene(context);
  const server = await scene.start();
  await scene.webhook('/a', ['calamity.happened']);
  await scene.publisher.insist(scene.publisher.make('calamity.happened'));
  const receipts = [...(await scene.receiver.received(1))];
  await scene.drained();
  await server.kill();
  expect(await scene.brokenPromises()).toEqual([]);
  const published = [...scene.publisher.published];
  await scene.sql('CREATE SCHEMA kept');
  const tables = ['events', 'deliveries', 'attempts'];
  for (const table of tables) await scene.sql(`CREATE TABLE kept.${table} AS TABLE ${table}`);
  for (const [name, forge, finding] of FORGERIES) {
    await forge(scene, receipts[0]!);
    expect(await scene.brokenPromises(), name).toContainEqual(expect.stringMatching(finding));
    scene.receiver.receipts.splice(0, Infinity, ...receipts);
    scene.publisher.published.splice(0, Infinity, ...published);
    for (const table of tables) await scene.sql(`WITH gone AS (DELETE FROM ${table}) SELECT`).then(() => scene.sql(`INSERT INTO ${table} SELECT * FROM kept.${table}`));
  }
  expect(await scene.brokenPromises()).toEqual([]);
});
