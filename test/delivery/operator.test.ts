import { expect, test } from 'vitest';
import { deliveryOf, endOf, givenEvent, givenTenant, givenWebhook, QUICK, type SeenDelivery } from '../support/given.js';
import { useHouse } from '../support/house.js';
import { useReceiver } from '../support/receiver.js';

const house = useHouse();
const receiver = useReceiver();

const ONCE = { ...QUICK, max_retries: 0 };
const story = ({ attempts }: SeenDelivery) => attempts.map(({ attempt, trigger, response_status }) => [attempt, trigger, response_status]);
const letters = async (query = ''): Promise<string[]> => (await house.api.get(`/v1/dead-letters?limit=200&${query}`).expect(200)).body.data.map(({ event_id }: { event_id: string }) => event_id);
const redrive = async (body: object) => (await house.api.post('/v1/dead-letters/redrive').send(body).expect(202)).body;
const retry = (deliveryId: string) => house.api.post(`/v1/deliveries/${deliveryId}/retry`);

/** A webhook at `/name` and `count` dead letters of it. */
async function givenDead(name: string, count: number, policy: object = ONCE) {
  receiver.answer = () => 500;
  const webhook = await givenWebhook(house, `${receiver.url}/${name}`, { events: [name], retry_policy: policy });
  const eventIds: string[] = [];
  for (let n = 0; n < count; n++) eventIds.push(await givenEvent(house, name));
  const deliveries = [];
  for (const id of eventIds) deliveries.push(await deliveryOf(house, id, 'dead'));
  receiver.answer = () => 200;
  return { ...webhook, eventIds, deliveries };
}

test('dead letters chosen by id are sent again; the others stay', async () => {
  const { eventIds, deliveries, webhook_id } = await givenDead('by-id', 3);
  const chosen = deliveries.slice(0, 2).map(({ delivery_id }) => delivery_id);
  expect(await redrive({ delivery_ids: chosen, dry_run: true })).toEqual({ dry_run: true, count: 2, webhooks: [{ webhook_id, count: 2 }], skipped: [], estimated_seconds: null });
  expect(await letters(`webhook_id=${webhook_id}`)).toHaveLength(3);
  expect(await redrive({ delivery_ids: chosen })).toMatchObject({ dry_run: false, count: 2, webhooks: [{ webhook_id, count: 2 }], kind: 'redrive', total_count: 2 });
  for (const id of eventIds.slice(0, 2)) expect(story(await deliveryOf(house, id, 'succeeded'))).toEqual([[1, 'event', 500], [2, 'redrive', 200]]);
  expect(await letters(`webhook_id=${webhook_id}`)).toEqual([eventIds[2]]);
  expect(await redrive({ delivery_ids: chosen })).toMatchObject({ dry_run: false, count: 0, webhooks: [], skipped: [{ reason: 'not_a_dead_letter', count: 2 }] });
});

test('dead letters chosen by filter are sent again', async () => {
  const one = await givenDead('filter-one', 2);
  const two = await givenDead('filter-two', 1);
  const from = new Date(house.clock.now() + 60_000).toISOString();
  for (const filter of [{ event_type: 'nothing' }, { from }, { webhook_id: two.webhook_id, event_type: 'filter-one' }]) expect((await redrive({ filter })).count, JSON.stringify(filter)).toBe(0);
  expect((await redrive({ filter: { webhook_id: one.webhook_id } })).count).toBe(2);
  expect((await redrive({ filter: { event_type: 'filter-two', to: from } })).count).toBe(1);
  for (const id of [...one.eventIds, ...two.eventIds]) await deliveryOf(house, id, 'succeeded');
});

test('a redriven delivery gets a fresh round of retries, and its attempt numbers go on', async () => {
  const { eventIds: [eventId], deliveries: [delivery] } = await givenDead('fresh', 1, { ...QUICK, max_retries: 1 });
  receiver.answer = () => 503;
  await redrive({ delivery_ids: [delivery!.delivery_id] });
  await receiver.received(4, '/fresh');
  expect(story(await deliveryOf(house, eventId!, 'dead'))).toEqual([[1, 'event', 500], [2, 'retry', 500], [3, 'redrive', 503], [4, 'retry', 503]]);
});

test('of several redrives at the same time each delivery is sent by one', async () => {
  const { webhook_id, eventIds } = await givenDead('at-once', 5);
  const answers = await Promise.all(Array.from({ length: 4 }, () => redrive({ filter: { webhook_id } })));
  const ended = await Promise.all(answers.map(({ resend_id }) => endOf(house, resend_id)));
  expect(ended.reduce((sum, { done_count }) => sum + done_count, 0)).toBe(5);
  for (const { status, total_count, done_count, skipped_count } of ended) expect([status, done_count + skipped_count]).toEqual(['succeeded', total_count]);
  for (const id of eventIds) expect(story(await deliveryOf(house, id, 'succeeded'))).toEqual([[1, 'event', 500], [2, 'redrive', 200]]);
});

test('one tenant cannot redrive the dead letters of another', async () => {
  const { deliveries, eventIds } = await givenDead('foreign', 1);
  const other = house.as(await givenTenant(house));
  for (const body of [{ filter: {} }, { delivery_ids: [deliveries[0]!.delivery_id] }]) expect((await other.post('/v1/dead-letters/redrive').send(body).expect(202)).body.count).toBe(0);
  expect(await letters()).toContain(eventIds[0]);
});

test('dead letters of a disabled or deleted webhook are not redriven', async () => {
  const { webhook_id } = await givenDead('no-more', 1);
  await house.api.delete(`/v1/webhooks/${webhook_id}`).expect(204);
  expect((await redrive({ filter: { webhook_id } })).count).toBe(0);
});

test('a delivery that succeeded can be sent again by hand, under the same webhook-id', async () => {
  await givenWebhook(house, `${receiver.url}/again`, { events: ['again'] });
  const eventId = await givenEvent(house, 'again');
  const { delivery_id } = await deliveryOf(house, eventId, 'succeeded');
  expect((await retry(delivery_id).expect(202)).body).toMatchObject({ delivery_id });
  const [first, second] = await receiver.received(2, '/again');
  expect(second!.headers['webhook-id']).toBe(first!.headers['webhook-id']);
  expect(second!.body.equals(first!.body)).toBe(true);
  expect(story(await deliveryOf(house, eventId, 'succeeded'))).toEqual([[1, 'event', 200], [2, 'manual', 200]]);
});

test('a dead delivery retried by hand leaves the dead letters', async () => {
  const { deliveries: [delivery], eventIds: [eventId], webhook_id } = await givenDead('by-hand', 1);
  await retry(delivery!.delivery_id).expect(202);
  expect(story(await deliveryOf(house, eventId!, 'succeeded'))).toEqual([[1, 'event', 500], [2, 'manual', 200]]);
  expect(await letters(`webhook_id=${webhook_id}`)).toEqual([]);
});

test('a delivery that waits for its retry is hastened', async () => {
  receiver.answer = (_, earlier) => (earlier === 0 ? 500 : 200);
  await givenWebhook(house, `${receiver.url}/hasten`, { events: ['hasten'], retry_policy: { ...QUICK, base_seconds: 3_600, max_seconds: 3_600 } });
  const eventId = await givenEvent(house, 'hasten');
  await retry((await deliveryOf(house, eventId, 'retrying')).delivery_id).expect(202);
  expect(story(await deliveryOf(house, eventId, 'succeeded'))).toEqual([[1, 'event', 500], [2, 'manual', 200]]);
});

test('a delivery that is being attempted right now is not retried beside it', async () => {
  let release: () => void;
  receiver.answer = () => (response) => { release = () => response.end(); };
  await givenWebhook(house, `${receiver.url}/busy`, { events: ['busy'] });
  const eventId = await givenEvent(house, 'busy');
  const { delivery_id } = await deliveryOf(house, eventId, 'pending');
  await receiver.received(1, '/busy');
  expect((await retry(delivery_id).expect(409)).body).toMatchObject({ code: 'conflict', detail: expect.stringContaining('right now') });
  release!();
  await deliveryOf(house, eventId, 'succeeded');
});

test('deliveries of deleted and disabled webhooks are not retried, and the refusal says why', async () => {
  const gone = await givenDead('deleted-hook', 1);
  await house.api.delete(`/v1/webhooks/${gone.webhook_id}`).expect(204);
  expect((await retry(gone.deliveries[0]!.delivery_id).expect(409)).body.detail).toContain('deleted');
  const disabled = await givenDead('disabled-hook', 1);
  await house.sql("UPDATE webhooks SET disabled_at = now(), disabled_reason = 'test', is_active = false, version = version + 1 WHERE webhook_id = $1", [disabled.webhook_id]);
  expect((await retry(disabled.deliveries[0]!.delivery_id).expect(409)).body.detail).toContain('disabled');
  await house.api.patch(`/v1/webhooks/${disabled.webhook_id}`).send({ is_active: true }).expect(200);
  await retry(disabled.deliveries[0]!.delivery_id).expect(202);
  await deliveryOf(house, disabled.eventIds[0]!, 'succeeded');
});

test('a cancelled delivery of a deleted webhook stays cancelled', async () => {
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/cancelled`, { events: ['cancelled'], is_active: false });
  const { delivery_id } = await deliveryOf(house, await givenEvent(house, 'cancelled'), 'pending');
  await house.api.delete(`/v1/webhooks/${webhook_id}`).expect(204);
  await retry(delivery_id).expect(409);
  expect((await house.api.get(`/v1/deliveries/${delivery_id}`)).body.status).toBe('cancelled');
});

test('a test send answers what a good receiver said, signed like any other', async () => {
  receiver.answer = () => ({ status: 202, body: 'thanks' });
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/test`, { events: ['never'], is_active: false });
  await givenWebhook(house, `${receiver.url}/bystander`, { events: ['*'] });
  const { body } = await house.api.post(`/v1/webhooks/${webhook_id}/test`).send({ event_type: 'anomaly_detected' }).expect(200);
  expect(body).toEqual({ delivery_id: expect.any(String), status: 'succeeded', response_status: 202, duration_ms: expect.any(Number), error: null });
  const [request] = await receiver.received(1, '/test');
  expect(request!.event).toMatchObject({ event_type: 'anomaly_detected', metadata: { test: true }, data: { service: 'AmazonEC2' } });
  expect(request!.headers['webhook-signature']).toMatch(/^v1,/);
  const delivery = (await house.api.get(`/v1/deliveries/${body.delivery_id}`).expect(200)).body;
  expect(delivery).toMatchObject({ status: 'succeeded', event_type: 'anomaly_detected', attempts: [{ attempt: 1, trigger: 'test', response_status: 202, response_body: 'thanks' }] });
  expect((await house.api.get(`/v1/events/${delivery.event_id}`).expect(200)).body.deliveries).toHaveLength(1);
  // It is for this webhook alone.
  const control = await givenEvent(house, 'control');
  await receiver.received(1, '/bystander');
  expect(receiver.requests.filter(({ path }) => path === '/bystander').map(({ event }) => event.event_id)).toEqual([control]);
  await retry(body.delivery_id).expect(409);
});

test('a failing receiver is a result of the test, not a dead letter', async () => {
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/failing-test`, { events: ['never'] });
  receiver.answer = () => 410;
  expect((await house.api.post(`/v1/webhooks/${webhook_id}/test`).expect(200)).body).toMatchObject({ status: 'dead', response_status: 410, error: 'HTTP 410 Gone' });
  expect((await house.api.get(`/v1/webhooks/${webhook_id}`)).body.status).toBe('active');
  await house.api.patch(`/v1/webhooks/${webhook_id}`).send({ url: 'http://127.0.0.1:9/' }).expect(200);
  expect((await house.api.post(`/v1/webhooks/${webhook_id}/test`).expect(200)).body).toMatchObject({ status: 'dead', response_status: null, error: expect.stringContaining('refused') });
  expect(await letters(`webhook_id=${webhook_id}`)).toEqual([]);
});

test.each([[{ filter: { webhook_id: null } }, '/filter/webhook_id'], [{ filter: { event_type: '' } }, '/filter/event_type'], [{ filter: { from: null } }, '/filter/from']])('a redrive filter that says nothing is refused, not read as everything: %j', async (body, pointer) => {
  const answer = await house.api.post('/v1/dead-letters/redrive').send(body).expect(422);
  expect(answer.body.errors).toEqual([expect.objectContaining({ pointer })]);
});
