import type { ServerResponse } from 'node:http';
import { describe, expect, test } from 'vitest';
import { deliveryOf, endOf, givenEvent, givenWebhook, QUICK } from '../support/given.js';
import { withClient } from '../support/database.js';
import { eventually } from '../support/eventually.js';
import { useHouse, useNeighbour } from '../support/house.js';
import { type Received, useReceiver } from '../support/receiver.js';

const house = useHouse();
const neighbour = useNeighbour(house);
const receiver = useReceiver();

const PATIENT = { ...QUICK, base_seconds: 0.02, max_retries: 20 };
const requestsTo = (path: string) => receiver.requests.filter((request) => request.path === path);
const numbers = (name: string) => requestsTo(`/${name}`).map(({ event }) => event.data['n']);
const settled = (type: string) => async () => (await house.sql("SELECT FROM deliveries WHERE event_type = $1 AND status IN ('pending', 'retrying')", [type])).length === 0;
const waiting = async (webhookId: string): Promise<number> => (await house.sql('SELECT FROM delivery_queue WHERE webhook_id = $1', [webhookId])).length;

/** A batch of a tenant that published in bulk, long before, as fan-out has it to do; it never gets there. */
const givenBulk = (tenantId: string) => house.sql<{ id: string }>(`
  INSERT INTO pgboss.job (id, name, data, singleton_key, group_id, start_after) VALUES (gen_random_uuid(), 'delivery.fan-out-bulk', '{}', '2026-01-01T00:00:00.000Z', $1, now() + interval '1 day') RETURNING id`, [tenantId]);
const lift = (id: string) => house.sql('DELETE FROM pgboss.job WHERE id = $1', [id]);

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

test.each([4, 5])('whatever dies, and however it is sent again, each key is received in order, one at a time, in run %i', async (seed) => {
  const random = chance(seed);
  const name = `buried-${seed}`;
  const busy = new Set<string>();
  const together: string[] = [];
  const taken = new Map<string, number[]>();
  receiver.answer = ({ event }) => (response) => {
    const { key, number } = event.data as { key: string; number: number };
    if (busy.has(key)) together.push(key);
    busy.add(key);
    const fails = random() < 0.3;
    setTimeout(() => {
      busy.delete(key);
      if (!fails) taken.set(key, [...(taken.get(key) ?? []), number]);
      response.writeHead(fails ? 500 : 200).end();
    }, random() * 5);
  };
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/${name}`, { events: [name], ordered: true, order_key: 'data.key', retry_policy: { ...QUICK, base_seconds: 0.01, max_retries: 0 } });
  const published = new Map<string, number[]>();
  for (let number = 0; number < 60; number++) {
    const key = `k${Math.floor(random() * 3)}`;
    published.set(key, [...(published.get(key) ?? []), number]);
    await givenEvent(number % 2 ? house : { ...house, api: neighbour.api }, name, { key, number });
  }
  // Its order is kept by standing still, so somebody has to redrive: all of it, fast or slowly, or one by hand, from either process.
  await eventually('all of it to be received', async () => {
    const { api } = random() < 0.5 ? house : neighbour;
    const [letter] = (await api.get(`/v1/dead-letters?webhook_id=${webhook_id}&limit=1`).expect(200)).body.data as { delivery_id: string }[];
    if (letter && random() < 0.4) await api.post(`/v1/deliveries/${letter.delivery_id}/retry`);
    else if (letter) await api.post('/v1/dead-letters/redrive').send({ filter: { webhook_id }, ...(random() < 0.5 && { rate_per_second: 20 }) }).expect(202);
    // Open, its circuit lets one through every few seconds.
    await house.sql("UPDATE webhook_flows SET state = 'closed', probe_at = NULL, ramp_from = NULL WHERE webhook_id = $1", [webhook_id]);
    return (await house.sql("SELECT FROM deliveries WHERE webhook_id = $1 AND status = 'succeeded'", [webhook_id])).length === 60;
  }, 60_000);
  expect(taken).toEqual(published);
  expect(together).toEqual([]);
}, 90_000);

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

/** A line whose first `skipped` were skipped, one after the other, the one after them blocks it, and the last waits. */
async function givenSkipped(name: string, skipped: number) {
  receiver.answer = ({ path, event }) => (path === `/${name}` && (event.data['n'] as number) <= skipped + 1 ? 500 : 200);
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/${name}`, { events: [name], ordered: true, retry_policy: { ...QUICK, max_retries: 0 } });
  const ids: string[] = [];
  for (let n = 1; n <= skipped + 2; n++) ids.push(await givenEvent(house, name, { n }));
  const letters: string[] = [];
  for (const id of ids.slice(0, skipped + 1)) {
    letters.push((await deliveryOf(house, id, 'dead')).delivery_id);
    if (letters.length <= skipped) await house.api.post(`/v1/dead-letters/${letters.at(-1)!}/skip`).expect(200);
  }
  await deliveryOf(house, ids.at(-1)!, 'pending');
  receiver.requests.length = 0;
  return { webhook_id, ids, letters };
}

describe('when several of a line are given up', () => {
  test('one that was skipped is sent again although its line stands still behind a later one', async () => {
    const { ids, letters } = await givenSkipped('earlier', 1);
    receiver.answer = () => 200;
    await house.api.post(`/v1/deliveries/${letters[0]!}/retry`).expect(202);
    await deliveryOf(house, ids[0]!, 'succeeded');
    await deliveryOf(house, ids[2]!, 'pending');
    await house.api.post(`/v1/deliveries/${letters[1]!}/retry`).expect(202);
    for (const id of ids) await deliveryOf(house, id, 'succeeded');
    expect(numbers('earlier')).toEqual([1, 2, 3]);
  });

  test('one that dies again blocks what stands after it, and the later one blocks on', async () => {
    const { ids, letters } = await givenSkipped('twice', 1);
    await house.api.post(`/v1/deliveries/${letters[0]!}/retry`).expect(202);
    await receiver.received(1, '/twice');
    await deliveryOf(house, ids[0]!, 'dead');
    expect((await house.api.get(`/v1/dead-letters/${letters[0]!}`).expect(200)).body.blocks_key).toBe(true);
    receiver.answer = () => 200;
    // The later one stands in line behind it now.
    await house.api.post(`/v1/deliveries/${letters[1]!}/retry`).expect(202);
    await house.api.post(`/v1/deliveries/${letters[0]!}/retry`).expect(202);
    for (const id of ids) await deliveryOf(house, id, 'succeeded');
    expect(numbers('twice')).toEqual([1, 1, 2, 3]);
  });

  test('a slow redrive of them all comes to its end', async () => {
    const { webhook_id, ids } = await givenSkipped('slowly', 3);
    receiver.answer = () => 200;
    const { resend_id } = (await house.api.post('/v1/dead-letters/redrive').send({ filter: { webhook_id }, rate_per_second: 2 }).expect(202)).body;
    expect(await endOf(house, resend_id)).toMatchObject({ status: 'succeeded', done_count: 4 });
    for (const id of ids) await deliveryOf(house, id, 'succeeded');
    expect(numbers('slowly')).toEqual([1, 2, 3, 4, 5]);
  });
});

test('a slow redrive goes by the place in the line, not by who died first', async () => {
  receiver.answer = () => 500;
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/deaths`, { events: ['deaths'], ordered: true, retry_policy: { ...QUICK, max_retries: 0 } });
  const ids: string[] = [];
  for (let n = 1; n <= 6; n++) ids.push(await givenEvent(house, 'deaths', { n }));
  const { delivery_id } = await deliveryOf(house, ids[0]!, 'dead');
  await house.sql("UPDATE webhooks SET disabled_at = now(), disabled_reason = 'Gone.', is_active = false, version = version + 1 WHERE webhook_id = $1", [webhook_id]);
  for (const id of ids) await deliveryOf(house, id, 'dead');
  await house.api.patch(`/v1/webhooks/${webhook_id}`).send({ is_active: true }).expect(200);
  await house.api.post(`/v1/deliveries/${delivery_id}/retry`).expect(202);
  await receiver.received(2, '/deaths');
  await deliveryOf(house, ids[0]!, 'dead');
  receiver.requests.length = 0;
  receiver.answer = () => 200;
  const { resend_id } = (await house.api.post('/v1/dead-letters/redrive').send({ filter: { webhook_id }, rate_per_second: 4 }).expect(202)).body;
  expect(await endOf(house, resend_id)).toMatchObject({ status: 'succeeded', done_count: 6 });
  await receiver.received(6, '/deaths');
  expect(numbers('deaths')).toEqual([1, 2, 3, 4, 5, 6]);
});

test('of two that are let go at the same time, one waits for the other', async () => {
  const open: ServerResponse[] = [];
  receiver.answer = () => (response) => void open.push(response);
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/both`, { events: ['both'], ordered: true, on_exhausted: 'skip', retry_policy: { ...QUICK, max_retries: 0 }, is_active: false });
  const [first, second] = [await givenEvent(house, 'both', { n: 1 }), await givenEvent(house, 'both', { n: 2 })];
  const { delivery_id } = await deliveryOf(house, first, 'pending');
  await deliveryOf(house, second, 'pending');
  // The first dies, and comes back just when somebody, who does not see that yet, lets the second go.
  await house.sql(`WITH taken AS (DELETE FROM delivery_queue WHERE delivery_id = $1 RETURNING *), dead AS (UPDATE deliveries SET status = 'dead', attempt_count = 1, completed_at = now() WHERE delivery_id = $1)
    INSERT INTO dead_letters (tenant_id, died_at, delivery_id, delivery_created_at, event_recorded_at, webhook_id, event_id, event_type, attempt_count, reason, order_key, position)
    SELECT tenant_id, now(), delivery_id, created_at, event_recorded_at, webhook_id, event_id, 'both', 1, 'by hand', order_key, position FROM taken`, [delivery_id]);
  await withClient(house.databaseUrl, async (client) => {
    await client.query('BEGIN');
    await client.query("UPDATE delivery_queue SET due_at = now() WHERE webhook_id = $1", [webhook_id]);
    const retried = house.api.post(`/v1/deliveries/${delivery_id}/retry`).expect(202).then(() => undefined);
    await eventually('it to stand in line again', async () => (await waiting(webhook_id)) === 2);
    await client.query('COMMIT');
    await retried;
  });
  expect(await house.sql("SELECT FROM delivery_queue WHERE webhook_id = $1 AND due_at < 'infinity'", [webhook_id])).toHaveLength(1);
  await house.api.patch(`/v1/webhooks/${webhook_id}`).send({ is_active: true }).expect(200);
  for (let sent = 1; sent <= 2; sent++) {
    await receiver.received(sent, '/both');
    expect(requestsTo('/both')).toHaveLength(sent);
    open.at(-1)!.writeHead(200).end();
  }
  for (const id of [first, second]) await deliveryOf(house, id!, 'succeeded');
});

describe('what is published earlier and not fanned out yet', () => {
  test('holds back the ordered webhooks of its tenant', async () => {
    const { webhook_id } = await givenWebhook(house, `${receiver.url}/held`, { events: ['held'], ordered: true });
    const [{ tenant_id }] = (await house.sql<{ tenant_id: string }>('SELECT tenant_id FROM webhooks WHERE webhook_id = $1', [webhook_id])) as [{ tenant_id: string }];
    const [{ id }] = (await givenBulk(tenant_id)) as [{ id: string }];
    const held = await givenEvent(house, 'held');
    const free = await givenWebhook(house, `${receiver.url}/free`, { events: ['free'] });
    await deliveryOf(house, await givenEvent(house, 'free'), 'succeeded', free.webhook_id);
    await deliveryOf(house, held, 'pending');
    expect(requestsTo('/held')).toEqual([]);
    await lift(id);
    await deliveryOf(house, held, 'succeeded');
  });

  test('is told apart by tenant when it is published in bulk', async () => {
    for (let n = 0; n < 3; n++) await house.api.post('/v1/events').send({ events: Array.from({ length: 1_000 }, () => ({ event_type: 'bulk', data: {} })) }).expect(202);
    const jobs = await house.sql("SELECT j.group_id FROM pgboss.job j JOIN tenants t ON t.tenant_id::text = j.group_id WHERE j.name = 'delivery.fan-out-bulk'");
    expect(jobs.length).toBeGreaterThan(0);
  });

  test('holds back nobody else', async () => {
    const [{ id }] = (await givenBulk('018f4e2a-0000-7abc-8def-0123456789ab')) as [{ id: string }];
    await givenWebhook(house, `${receiver.url}/others`, { events: ['others'], ordered: true });
    await deliveryOf(house, await givenEvent(house, 'others'), 'succeeded');
    await lift(id);
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
