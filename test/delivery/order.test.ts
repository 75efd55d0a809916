import { describe, expect, test } from 'vitest';
import { deliveryOf, givenEvent, givenWebhook, QUICK } from '../support/given.js';
import { eventually } from '../support/eventually.js';
import { useHouse, useNeighbour } from '../support/house.js';
import { type Received, useReceiver } from '../support/receiver.js';

const house = useHouse();
const neighbour = useNeighbour(house);
const receiver = useReceiver();

const PATIENT = { ...QUICK, base_seconds: 0.02, max_retries: 20 };
const requestsTo = (path: string) => receiver.requests.filter((request) => request.path === path);
const settled = (type: string) => async () => (await house.sql("SELECT FROM deliveries WHERE event_type = $1 AND status IN ('pending', 'retrying')", [type])).length === 0;
const waiting = async (webhookId: string): Promise<number> => (await house.sql('SELECT FROM delivery_queue WHERE webhook_id = $1', [webhookId])).length;

/** Numbers in a repeatable order that looks like chance (a linear congruence of Knuth's). */
function chance(seed: number): () => number {
  let state = BigInt(seed);
  return () => Number((state = (state * 6_364_136_223_846_793_005n + 1_442_695_040_888_963_407n) & 0xffff_ffff_ffff_ffffn) >> 33n) / 2 ** 31;
}

describe.each([1, 2, 3])('whatever fails and however often, in run %i', (seed) => {
  test('each key gets its events in the order they were published in, one at a time', async () => {
    const random = chance(seed);
    const name = `shuffled-${seed}`;
    const busy = new Set<string>();
    const together: string[] = [];
    receiver.answer = ({ event }) => (response) => {
      const key = event.data['key'] as string;
      if (busy.has(key)) together.push(key);
      busy.add(key);
      const fate = random();
      setTimeout(() => {
        busy.delete(key);
        if (fate < 0.2) response.socket?.destroy();
        else response.writeHead(fate < 0.35 ? 500 : fate < 0.45 ? 503 : 200).end();
      }, random() * 8);
    };
    const { webhook_id } = await givenWebhook(house, `${receiver.url}/${name}`, { events: [name], ordered: true, order_key: 'data.key', retry_policy: PATIENT });
    const published = new Map<string, number[]>();
    for (let batch = 0, number = 0; batch < 30; batch++) {
      const events = Array.from({ length: 1 + Math.floor(random() * 5) }, () => ({ event_type: name, data: { key: `k${Math.floor(random() * 4)}`, number: number++ } }));
      for (const { data: { key, number: n } } of events) published.set(key, [...(published.get(key) ?? []), n]);
      // One after the other is acknowledged, by one process or the other.
      await (random() < 0.5 ? house : neighbour).api.post('/v1/events').send({ events }).expect(202);
    }
    await eventually('all of it to be delivered', settled(name), 60_000);
    // Order is that of the first time each event was sent; what is sent again is always the latest.
    for (const [key, numbers] of published) {
      const sent = requestsTo(`/${name}`).filter(({ event }) => event.data['key'] === key).map(({ event }) => event.data['number'] as number);
      expect(sent.filter((n, at) => sent[at - 1] !== n), key).toEqual(numbers);
    }
    expect(together).toEqual([]);
    expect(await waiting(webhook_id)).toBe(0);
    expect((await house.sql("SELECT FROM deliveries WHERE event_type = $1 AND status <> 'succeeded'", [name]))).toHaveLength(0);
  }, 90_000);
});

test('a key whose first delivery waits for its retry holds back its own line and no other', async () => {
  receiver.answer = ({ event }) => (event.data['key'] === 'slow' && event.data['n'] === 1 ? 500 : 200);
  await givenWebhook(house, `${receiver.url}/lines`, { events: ['lines'], ordered: true, order_key: 'data.key', retry_policy: { ...QUICK, base_seconds: 3_600, max_seconds: 3_600 } });
  await givenEvent(house, 'lines', { key: 'slow', n: 1 });
  const behind = await givenEvent(house, 'lines', { key: 'slow', n: 2 });
  for (let n = 1; n <= 3; n++) await deliveryOf(house, await givenEvent(house, 'lines', { key: 'quick', n }), 'succeeded');
  const { delivery_id } = await deliveryOf(house, behind, 'pending');
  expect(requestsTo('/lines').filter(({ event }) => event.data['n'] === 2 && event.data['key'] === 'slow')).toEqual([]);
  // Not even by hand does it overtake.
  expect((await house.api.post(`/v1/deliveries/${delivery_id}/retry`).expect(409)).body.detail).toContain('turn');
});

test('without a key all events of a webhook form one line', async () => {
  await givenWebhook(house, `${receiver.url}/single`, { events: ['single'], ordered: true });
  const { body } = await house.api.post('/v1/events').send({ events: Array.from({ length: 20 }, (_, n) => ({ event_type: 'single', event_id: `single-${(n * 7) % 20}`, data: { n } })) }).expect(202);
  expect(body.data).toHaveLength(20);
  const requests = await receiver.received(20, '/single');
  expect(requests.map(({ event }: Received) => event.data['n'])).toEqual(Array.from({ length: 20 }, (_, n) => n));
});

describe('when the first of a line is given up', () => {
  const ONCE = { ...QUICK, max_retries: 0 };

  async function givenDeadFirst(name: string, more: object = {}) {
    receiver.answer = ({ path, event }) => (path === `/${name}` && event.data['n'] === 1 ? 500 : 200);
    const { webhook_id } = await givenWebhook(house, `${receiver.url}/${name}`, { events: [name], ordered: true, order_key: 'data.key', retry_policy: ONCE, ...more });
    const ids = [];
    for (let n = 1; n <= 3; n++) ids.push(await givenEvent(house, name, { key: 'a', n }));
    const dead = await deliveryOf(house, ids[0]!, 'dead');
    return { webhook_id, ids, dead };
  }

  test('its key stands still until it is redriven, and then goes on in order', async () => {
    const { ids, dead } = await givenDeadFirst('blocks');
    await deliveryOf(house, await givenEvent(house, 'blocks', { key: 'b', n: 9 }), 'succeeded');
    await deliveryOf(house, ids[1]!, 'pending');
    const [letter] = (await house.api.get('/v1/dead-letters?event_type=blocks').expect(200)).body.data;
    expect(letter).toMatchObject({ order_key: 'a', blocks_key: true });
    receiver.answer = () => 200;
    await house.api.post('/v1/dead-letters/redrive').send({ delivery_ids: [dead.delivery_id] }).expect(202);
    for (const id of ids) await deliveryOf(house, id, 'succeeded');
    expect(requestsTo('/blocks').filter(({ event }) => event.data['key'] === 'a').map(({ event }) => event.data['n'])).toEqual([1, 1, 2, 3]);
    expect(await house.sql('SELECT FROM order_blocks')).toEqual([]);
  });

  test('what waits behind it is due at no time yet, in health and metrics', async () => {
    const { webhook_id, ids } = await givenDeadFirst('undue');
    await deliveryOf(house, ids[2]!, 'pending');
    expect((await house.api.get(`/v1/webhooks/${webhook_id}/health`).expect(200)).body).toMatchObject({ waiting: 2, oldest_due_at: null, dead_letters: 1 });
    await eventually('the gauges to be read anew', async () => {
      const { text } = await house.api.get('/metrics').expect(200);
      return /^lakehook_order_keys_blocked [1-9]/m.test(text) && /^lakehook_delivery_queue_oldest_due_seconds \d/m.test(text);
    });
  });

  test('and sent again by hand, the same', async () => {
    const { ids, dead } = await givenDeadFirst('by-hand');
    receiver.answer = () => 200;
    await house.api.post(`/v1/deliveries/${dead.delivery_id}/retry`).expect(202);
    for (const id of ids) await deliveryOf(house, id, 'succeeded');
    expect(requestsTo('/by-hand').map(({ event }) => event.data['n'])).toEqual([1, 1, 2, 3]);
  });

  test('and fails again, its key goes on standing still', async () => {
    const { ids, dead, webhook_id } = await givenDeadFirst('again');
    await house.api.post('/v1/dead-letters/redrive').send({ delivery_ids: [dead.delivery_id] }).expect(202);
    await receiver.received(2, '/again');
    await eventually('it to be dead again', async () => (await house.sql('SELECT FROM dead_letters WHERE webhook_id = $1', [webhook_id])).length === 1);
    await deliveryOf(house, ids[1]!, 'pending');
    expect(requestsTo('/again')).toHaveLength(2);
  });

  test('its key goes on without it once it is skipped', async () => {
    const { ids, dead } = await givenDeadFirst('skipped');
    await house.api.post(`/v1/dead-letters/${dead.delivery_id}/skip`).expect(200);
    for (const id of ids.slice(1)) await deliveryOf(house, id, 'succeeded');
    expect(requestsTo('/skipped').map(({ event }) => event.data['n'])).toEqual([1, 2, 3]);
    await house.api.post(`/v1/dead-letters/${dead.delivery_id}/skip`).expect(409);
  });

  test('its key goes on at once where the webhook says skip', async () => {
    const { ids } = await givenDeadFirst('skips', { on_exhausted: 'skip' });
    for (const id of ids.slice(1)) await deliveryOf(house, id, 'succeeded');
    expect(requestsTo('/skips').map(({ event }) => event.data['n'])).toEqual([1, 2, 3]);
  });

  test('and the webhook then says skip, its key goes on', async () => {
    const { ids, webhook_id } = await givenDeadFirst('mended');
    await deliveryOf(house, ids[1]!, 'pending');
    await house.api.patch(`/v1/webhooks/${webhook_id}`).send({ on_exhausted: 'skip' }).expect(200);
    for (const id of ids.slice(1)) await deliveryOf(house, id, 'succeeded');
  });
});

test('a webhook that is no longer ordered sends what still stands in line', async () => {
  receiver.answer = ({ event }) => (event.data['n'] === 1 ? 500 : 200);
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/loosened`, { events: ['loosened'], ordered: true, retry_policy: { ...QUICK, max_retries: 0 } });
  for (let n = 1; n <= 3; n++) await givenEvent(house, 'loosened', { n });
  await receiver.received(1, '/loosened');
  await house.api.patch(`/v1/webhooks/${webhook_id}`).send({ ordered: false }).expect(200);
  await eventually('the others to be delivered', async () => (await house.sql("SELECT FROM deliveries WHERE webhook_id = $1 AND status = 'succeeded'", [webhook_id])).length === 2);
});

test('lines that a crash left standing are found again', async () => {
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/standing`, { events: ['standing'], ordered: true, is_active: false });
  const eventId = await givenEvent(house, 'standing');
  await eventually('it to be in line', async () => (await waiting(webhook_id)) === 1);
  // As a process leaves it that dies between the commit of fan-out and what follows.
  await house.sql("UPDATE delivery_queue SET due_at = 'infinity' WHERE webhook_id = $1", [webhook_id]);
  await house.api.patch(`/v1/webhooks/${webhook_id}`).send({ is_active: true }).expect(200);
  await deliveryOf(house, eventId, 'succeeded');
});

test.each([['account', '/order_key'], ['data.', '/order_key'], [7, '/order_key']])('the order key %j is refused', async (order_key, pointer) => {
  expect((await house.api.post('/v1/webhooks').send({ url: receiver.url, ordered: true, order_key }).expect(422)).body.errors).toEqual([expect.objectContaining({ pointer })]);
});
