import { expect, test } from 'vitest';
import { eventually } from '../support/eventually.js';
import { deliveryOf, givenEvent, givenTenant, givenWebhook } from '../support/given.js';
import { useHouse, useNeighbour } from '../support/house.js';
import { useReceiver } from '../support/receiver.js';

const house = useHouse();
const neighbour = useNeighbour(house);
const receiver = useReceiver();

const path = (id: string): string => `/v1/webhooks/${id}`;
const sentTo = (where: string): unknown[] => receiver.requests.filter((request) => request.path === where).map(({ event }) => event.data.n);
const countedFor = async (id: string): Promise<number> => Number((await house.sql<{ sum: string | null }>('SELECT sum(count) FROM filtered_events WHERE webhook_id = $1', [id]))[0]!.sum ?? 0);
/** Waits until that many events were kept from a webhook: by then whatever else was published with them has been decided too. */
const counted = (id: string, count: number): Promise<true> => eventually(`${count} events to be filtered`, async () => (await countedFor(id)) >= count) as Promise<true>;

test('a webhook with a filter gets the events that pass it; the others stay in the log and are counted', async () => {
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/some`, { events: ['f.some'], filter: { 'data.amount': { $gte: 100 }, 'metadata.env': 'prod' } });
  await givenWebhook(house, `${receiver.url}/every`, { events: ['f.some'] });
  const events = [[50, 'prod'], [100, 'prod'], [150, 'test'], [200.5, 'prod'], ['300', 'prod'], [99, 'test']].map(([amount, env], n) => ({ event_type: 'f.some', data: { n, amount }, metadata: { env } }));
  const { body } = await house.api.post('/v1/events').send({ events }).expect(202);
  await receiver.received(6, '/every');
  await receiver.received(2, '/some');
  await counted(webhook_id, 4);
  expect(sentTo('/some').sort()).toEqual([1, 3]);
  expect(await countedFor(webhook_id)).toBe(4);
  const refused = (await house.api.get(`/v1/events/${body.data[0].event_id}`).expect(200)).body;
  expect(refused).toMatchObject({ data: { n: 0 }, deliveries: [{ webhook_id: expect.not.stringMatching(webhook_id) }] });
  const metrics = await Promise.all([house, neighbour].map(async ({ as }) => Number(/^lakehook_deliveries_filtered_total (\d+)$/m.exec((await as().get('/metrics')).text)![1])));
  expect(metrics[0]! + metrics[1]!).toBeGreaterThanOrEqual(4);
});

test('a filter is read back as it was set, changed by PATCH, removed by null, and by a PUT that leaves it out', async () => {
  const filter = { 'data.a': 5, $or: [{ 'data.b': null }, { metadata: { constructor: { $exists: true } } }] };
  const made = await house.api.post('/v1/webhooks').send({ url: receiver.url, events: ['never'], filter }).expect(201);
  const at = path(made.body.webhook_id);
  expect(made.body.filter).toEqual(filter);
  expect((await house.api.get(at).expect(200)).body.filter).toEqual(filter);
  expect((await house.api.patch(at).send({ description: 'x' }).expect(200)).body.filter).toEqual(filter);
  expect((await house.api.patch(at).send({ filter: { event_type: 'b' } }).expect(200)).body.filter).toEqual({ event_type: 'b' });
  expect((await house.api.patch(at).send({ filter: null }).expect(200)).body.filter).toBeNull();
  await house.api.patch(at).send({ filter }).expect(200);
  expect((await house.api.put(at).send({ url: receiver.url, events: ['never'] }).expect(200)).body.filter).toBeNull();
  expect((await house.api.post('/v1/webhooks').send({ url: receiver.url, events: ['never'] }).expect(201)).body.filter).toBeNull();
});

test.each<[filter: unknown, pointer: string]>([
  ['x', '/filter'], [[], '/filter'], [{}, '/filter'], [{ 'data.a': { $gtx: 1 } }, '/filter/data.a/$gtx'], [{ constructor: { $gt: 1 } }, '/filter/constructor'], [{ 'data.a': { $regex: '(' } }, '/filter/data.a/$regex'], [{ $or: [{ 'data.a': { $in: [{}] } }] }, '/filter/$or/0/data.a/$in/0'],
])('the filter %j is refused on save, at %s', async (filter, pointer) => {
  const { webhook_id } = await givenWebhook(house, receiver.url, { events: ['never'] });
  for (const save of [house.api.post('/v1/webhooks'), house.api.put(path(webhook_id)), house.api.patch(path(webhook_id)), house.api.post(`${path(webhook_id)}/filter/test`)]) {
    const { body } = await save.send({ ...(save.url.endsWith('/test') ? { event: { event_type: 'a', data: {} } } : { url: receiver.url }), filter }).expect(422);
    expect(body.errors).toEqual([{ pointer, detail: expect.any(String) }]);
  }
});

test('a changed filter counts from the next event on, in every process', async () => {
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/changing`, { events: ['f.changing'], filter: { 'data.n': { $lt: 10 } } });
  const publish = async (n: number): Promise<void> => void (await (n % 2 ? house : neighbour).api.post('/v1/events').send({ event_type: 'f.changing', data: { n } }).expect(202));
  for (let n = 0; n < 20; n++) await publish(n);
  await counted(webhook_id, 10);
  await receiver.received(10, '/changing');
  await neighbour.api.patch(path(webhook_id)).send({ filter: { 'data.n': { $gte: 30 } } }).expect(200);
  for (let n = 20; n < 40; n++) await publish(n);
  await counted(webhook_id, 20);
  await receiver.received(20, '/changing');
  await house.api.patch(path(webhook_id)).send({ filter: null }).expect(200);
  for (let n = 40; n < 50; n++) await publish(n);
  await receiver.received(30, '/changing');
  expect(sentTo('/changing').sort((a, b) => Number(a) - Number(b))).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ...Array.from({ length: 20 }, (_, n) => 30 + n)]);
  expect(await countedFor(webhook_id)).toBe(20);
});

const batch = (from: number) => ({ events: Array.from({ length: 20 }, (_, n) => ({ event_type: 'f.both', data: { n: (from + n) % 10 } })) });

test('two processes that filter for the same webhooks at once count each event once and do not block each other', async () => {
  const hooks = await Promise.all(Array.from({ length: 6 }, (_, n) => givenWebhook(house, `${receiver.url}/both`, { events: ['f.both'], filter: { 'data.n': { $gt: n } } })));
  await Promise.all(Array.from({ length: 20 }, (_, n) => (n % 2 ? house : neighbour).api.post('/v1/events').send(batch(n)).expect(202)));
  // Of 400 events each tenth has n = 0, another tenth n = 1 and so on, and the filter number k keeps back 0 to k.
  for (const [k, { webhook_id }] of hooks.entries()) await counted(webhook_id, 40 * (k + 1));
  const made = await house.sql<{ webhook_id: string; count: string }>("SELECT webhook_id, count(*) FROM deliveries WHERE event_type = 'f.both' GROUP BY 1");
  for (const [k, { webhook_id }] of hooks.entries()) {
    expect(await countedFor(webhook_id)).toBe(40 * (k + 1));
    expect(Number(made.find((row) => row.webhook_id === webhook_id)!.count)).toBe(400 - 40 * (k + 1));
  }
});

test('large events and many of them are read in parts and judged all', async () => {
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/large`, { events: ['f.large'], filter: { 'data.tail': { $prefix: 'y' } } });
  const fill = 'x'.repeat(300_000);
  const events = Array.from({ length: 12 }, (_, n) => ({ event_type: 'f.large', data: { n, fill, tail: n % 3 ? 'no' : 'yes' } }));
  await house.api.post('/v1/events').send({ events: events.slice(0, 6) }).expect(202);
  await house.api.post('/v1/events').send({ events: events.slice(6) }).expect(202);
  await receiver.received(4, '/large');
  await counted(webhook_id, 8);
  expect(sentTo('/large').sort((a, b) => Number(a) - Number(b))).toEqual([0, 3, 6, 9]);
});

test('a stored filter that cannot be read any more lets everything pass', async () => {
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/broken`, { events: ['f.broken'], filter: { 'data.n': 1 } });
  await house.sql(`UPDATE webhooks SET filter = '{"data.n": {"$future": 1}}', version = version + 1 WHERE webhook_id = $1`, [webhook_id]);
  await deliveryOf(house, await givenEvent(house, 'f.broken', { n: 7 }), 'succeeded', webhook_id);
});

test('an event full of names that belong to the language is filtered like any other', async () => {
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/names`, { events: ['f.names'], filter: { 'data.constructor.name': 'Event', 'data.hasOwnProperty': true } });
  await givenEvent(house, 'f.names', { toString: 1 });
  await deliveryOf(house, await givenEvent(house, 'f.names', { constructor: { name: 'Event' }, hasOwnProperty: true }), 'succeeded', webhook_id);
  await counted(webhook_id, 1);
});

test('the filter test says which clause refuses an event, given or stored, with the filter given or stored', async () => {
  const { webhook_id } = await givenWebhook(house, receiver.url, { events: ['f.tried.*'], filter: { 'data.amount': { $gte: 100 }, 'metadata.env': 'prod' } });
  const attempt = async (body: object) => (await house.api.post(`${path(webhook_id)}/filter/test`).send(body).expect(200)).body;
  const event = { event_type: 'f.tried.a', data: { amount: 99 }, metadata: { env: 'prod' } };
  expect(await attempt({ event })).toEqual({ matches: false, refused_by: { pointer: '/data.amount/$gte', detail: 'data.amount is 99, not at least 100' }, matches_events: true, masked: false });
  expect(await attempt({ event: { ...event, data: { amount: 100 } } })).toEqual({ matches: true, refused_by: null, matches_events: true, masked: false });
  expect(await attempt({ event: { event_type: 'other', data: { amount: 100 } } })).toEqual({ matches: false, refused_by: { pointer: '/metadata.env', detail: 'metadata.env is not there, not "prod"' }, matches_events: false, masked: false });
  const event_id = await givenEvent(house, 'f.tried.b', { amount: 7, constructor: 'x' });
  expect(await attempt({ event_id })).toMatchObject({ matches: false, matches_events: true });
  expect(await attempt({ event_id, filter: { 'data.constructor': 'x' } })).toEqual({ matches: true, refused_by: null, matches_events: true, masked: false });
  expect(await attempt({ event_id, filter: null })).toMatchObject({ matches: true });
});

test('the filter test wants one event of the own tenant', async () => {
  const { webhook_id } = await givenWebhook(house, receiver.url, { events: ['never'] });
  const other = { ...house, api: house.as(await givenTenant(house)) };
  const foreign = await givenEvent(other, 'a');
  const at = `${path(webhook_id)}/filter/test`;
  await house.api.post(at).send({ event_id: foreign }).expect(404);
  await other.api.post(at).send({ event: { event_type: 'a', data: {} } }).expect(404);
  for (const [body, pointer] of [
    [{}, '/event'], [{ event: null }, '/event'], [{ event: [] }, '/event'], [{ event: { event_type: 'a' } }, '/event/data'], [{ event: { event_type: 'a b', data: {} } }, '/event/event_type'], [{ event: { event_type: 'a', data: [] } }, '/event/data'],
    [{ event: { event_type: 'a', data: {}, metadata: null } }, '/event/metadata'], [{ event: { event_type: 'a', data: {}, more: 1 } }, '/event/more'], [{ event_id: '' }, '/event_id'], [{ event_id: null }, '/event_id'], [{ event: { event_type: 'a', data: {} }, event_id: foreign }, '/event_id'],
  ] as const) {
    expect((await house.api.post(at).send(body).expect(422)).body.errors.map((fault: { pointer: string }) => fault.pointer), JSON.stringify(body)).toContain(pointer);
  }
});
