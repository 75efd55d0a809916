import type { ServerResponse } from 'node:http';
import { expect, test } from 'vitest';
import { deliveryOf, givenEvent, givenWebhook } from '../support/given.js';
import { eventually } from '../support/eventually.js';
import { useHouse } from '../support/house.js';
import { useReceiver } from '../support/receiver.js';

const house = useHouse({ DELIVERY_CONCURRENCY: '12', DELIVERY_CONCURRENCY_PER_WEBHOOK: '3' });
const receiver = useReceiver();

const publish = async (event_type: string, count: number): Promise<string[]> =>
  (await house.api.post('/v1/events').send({ events: Array.from({ length: count }, () => ({ event_type, data: {} })) }).expect(202)).body.data.map(({ event_id }: { event_id: string }) => event_id);

test('no webhook is sent more at a time than its share, and all of it arrives', async () => {
  const open = new Set<ServerResponse>();
  let most = 0;
  receiver.answer = () => (response) => {
    open.add(response);
    most = Math.max(most, open.size);
  };
  await givenWebhook(house, `${receiver.url}/capped`, { events: ['capped'] });
  const ids = await publish('capped', 10);
  for (let answered = 0; answered < ids.length; answered++) {
    // The share is used in full before any of it is given back.
    const due = Math.min(3, ids.length - answered);
    await eventually(`${due} attempts to be under way`, () => open.size === due);
    const [response] = open;
    open.delete(response!);
    response!.end();
  }
  for (const id of ids) await deliveryOf(house, id, 'succeeded');
  expect(most).toBe(3);
  expect(receiver.requests).toHaveLength(ids.length);
});

test('webhooks that have fallen silent keep none of the others waiting', async () => {
  const held = new Set<ServerResponse>();
  receiver.answer = ({ path }) => (path.startsWith('/silent') ? (response) => void held.add(response) : 200);
  // Three times their share of 3 leaves a quarter of the 12 slots.
  for (let n = 0; n < 3; n++) await givenWebhook(house, `${receiver.url}/silent-${n}`, { events: ['mixed'] });
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/healthy`, { events: ['mixed'] });
  const ids = await publish('mixed', 20);
  for (const id of ids) await deliveryOf(house, id, 'succeeded', webhook_id);
  // All of that happened while not one of the silent had answered.
  expect(held.size).toBeGreaterThan(0);
  expect((await house.sql("SELECT FROM deliveries WHERE event_type = 'mixed' AND status = 'succeeded'"))).toHaveLength(ids.length);
  receiver.answer = () => 200;
  for (const response of held) response.end();
});

test('silent receivers that together have more than all the slots leave some for the healthy', async () => {
  const held = new Set<ServerResponse>();
  receiver.answer = ({ path }) => (path.startsWith('/dumb') ? (response) => void held.add(response) : 200);
  // Five times their share of 3 is more than the 12 there are.
  for (let n = 0; n < 5; n++) await givenWebhook(house, `${receiver.url}/dumb-${n}`, { events: ['crowded'] });
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/spry`, { events: ['crowded'] });
  const ids = await publish('crowded', 20);
  for (const id of ids) await deliveryOf(house, id, 'succeeded', webhook_id);
  expect(held.size).toBeGreaterThan(0);
  receiver.answer = () => 200;
  for (const response of held) response.end();
  await eventually('the silent ones to get theirs in the end', async () => (await house.sql("SELECT FROM deliveries WHERE event_type = 'crowded' AND status <> 'succeeded'")).length === 0);
});

test('a webhook whose secret cannot be opened does not hold up the others', async () => {
  const [broken, healthy] = [await givenWebhook(house, `${receiver.url}/broken`, { events: ['sealed'], is_active: false }), await givenWebhook(house, `${receiver.url}/sound`, { events: ['sealed'], is_active: false })];
  await house.sql("UPDATE webhook_secrets SET sealed = 'v1.00000000.AAAA' WHERE webhook_id = $1", [broken.webhook_id]);
  const eventId = await givenEvent(house, 'sealed');
  for (const { webhook_id } of [broken, healthy]) await deliveryOf(house, eventId, 'pending', webhook_id);
  // Both become due in the same instant, so that one claim takes both.
  await house.sql('UPDATE webhooks SET is_active = true, version = version + 1 WHERE webhook_id = ANY($1::uuid[])', [[broken.webhook_id, healthy.webhook_id]]);
  await deliveryOf(house, eventId, 'succeeded', healthy.webhook_id);
  expect(receiver.requests.map(({ path }) => path).filter((path) => !path.startsWith('/silent') && path !== '/healthy')).toEqual(['/sound']);
});
