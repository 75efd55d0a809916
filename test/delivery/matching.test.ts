import { expect, test } from 'vitest';
import { deliveryOf, givenEvent, givenTenant, givenWebhook } from '../support/given.js';
import { eventually } from '../support/eventually.js';
import { useHouse } from '../support/house.js';
import { useReceiver } from '../support/receiver.js';

const house = useHouse();
const receiver = useReceiver();

const typesAt = (path: string): string[] => receiver.requests.filter((request) => request.path === path).map(({ event }) => event.event_type).sort();

test('exact types, prefixes and `*` choose what they say, and nothing else', async () => {
  const hooks = { exact: ['m.a'], prefix: ['m.deep.*'], all: ['*'], two: ['m.a', 'm.deep.b.*'] };
  for (const [path, events] of Object.entries(hooks)) await givenWebhook(house, `${receiver.url}/${path}`, { events });
  const ids = [];
  for (const type of ['m.a', 'm.ab', 'm.deep', 'm.deep.a', 'm.deep.b.c']) ids.push(await givenEvent(house, type));
  await receiver.received(5, '/all');
  await receiver.received(2, '/two');
  await receiver.received(2, '/prefix');
  await receiver.received(1, '/exact');
  // One more event for each, published after: once it is there, nothing else is on its way.
  await Promise.all(ids.map((id) => house.api.get(`/v1/events/${id}`).expect(200).then(({ body }) => expect(body.deliveries.every(({ status }: { status: string }) => status !== 'dead')).toBe(true))));
  expect(typesAt('/exact')).toEqual(['m.a']);
  expect(typesAt('/prefix')).toEqual(['m.deep.a', 'm.deep.b.c']);
  expect(typesAt('/two')).toEqual(['m.a', 'm.deep.b.c']);
  expect(typesAt('/all')).toEqual(['m.a', 'm.ab', 'm.deep', 'm.deep.a', 'm.deep.b.c']);
});

test('an event shows its deliveries, one per webhook that chose it', async () => {
  const hooks = [await givenWebhook(house, `${receiver.url}/one`, { events: ['shown'] }), await givenWebhook(house, `${receiver.url}/two`, { events: ['shown'] })];
  const eventId = await givenEvent(house, 'shown');
  for (const { webhook_id } of hooks) await deliveryOf(house, eventId, 'succeeded', webhook_id);
  const { deliveries } = (await house.api.get(`/v1/events/${eventId}`).expect(200)).body;
  expect(deliveries.map(({ webhook_id }: { webhook_id: string }) => webhook_id)).toEqual(expect.arrayContaining(hooks.map(({ webhook_id }) => webhook_id)));
});

test('events of one tenant never reach webhooks of another', async () => {
  const other = { ...house, api: house.as(await givenTenant(house)) };
  await givenWebhook(other, `${receiver.url}/other-tenant`, { events: ['*'] });
  await givenWebhook(house, `${receiver.url}/own-tenant`, { events: ['tenants'] });
  const eventId = await givenEvent(house, 'tenants');
  await deliveryOf(house, eventId, 'succeeded', (await house.api.get('/v1/webhooks?limit=1')).body.data[0].webhook_id);
  const theirs = await givenEvent(other, 'tenants');
  await receiver.received(1, '/other-tenant');
  expect(receiver.requests.filter(({ path }) => path === '/other-tenant').map(({ event }) => event.event_id)).toEqual([theirs]);
});

test('operational news reach only who asks for them by name or prefix, and never the webhook they are about', async () => {
  receiver.answer = ({ path }) => (path === '/gone' ? 410 : 200);
  await givenWebhook(house, `${receiver.url}/star`, { events: ['*'] });
  await givenWebhook(house, `${receiver.url}/by-name`, { events: ['webhook.disabled', 'delivery.exhausted'] });
  await givenWebhook(house, `${receiver.url}/by-prefix`, { events: ['webhook.*'] });
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/gone`, { events: ['op.trigger', 'webhook.*', 'delivery.*'] });
  const eventId = await givenEvent(house, 'op.trigger');
  await receiver.received(2, '/by-name');
  const [news] = await receiver.received(1, '/by-prefix');
  expect(news!.event).toMatchObject({ event_type: 'webhook.disabled', data: { webhook_id, reason: expect.stringContaining('410') } });
  const exhausted = receiver.requests.find(({ path, event }) => path === '/by-name' && event.event_type === 'delivery.exhausted');
  expect(exhausted!.event.data).toMatchObject({ webhook_id, event_id: eventId, event_type: 'op.trigger', attempt_count: 1, reason: expect.stringContaining('410') });
  expect(typesAt('/by-name')).toEqual(['delivery.exhausted', 'webhook.disabled']);
  expect(typesAt('/star')).not.toContain('webhook.disabled');
  expect(typesAt('/gone')).toEqual(['op.trigger']);
});

test('a webhook that lists news about itself does not get them, even while it works', async () => {
  receiver.answer = ({ event }) => (event.event_type === 'self.fails' ? 500 : 200);
  const about = await givenWebhook(house, `${receiver.url}/self`, { events: ['self.fails', 'delivery.*'], retry_policy: { max_retries: 0 } });
  await givenWebhook(house, `${receiver.url}/watcher`, { events: ['delivery.*'] });
  await givenEvent(house, 'self.fails');
  const [news] = await receiver.received(1, '/watcher');
  expect(news!.event.data).toMatchObject({ webhook_id: about.webhook_id });
  const { body } = await house.api.get(`/v1/events/${news!.event.event_id}`).expect(200);
  expect(body.deliveries.map(({ webhook_id }: { webhook_id: string }) => webhook_id)).not.toContain(about.webhook_id);
});

test('two listeners to news that both fail do not report each other for ever', async () => {
  receiver.answer = ({ path }) => (path.startsWith('/loop') ? 500 : 200);
  const hooks = [];
  for (const name of ['loop-a', 'loop-b']) hooks.push(await givenWebhook(house, `${receiver.url}/${name}`, { events: ['delivery.exhausted', 'loop.start'], retry_policy: { max_retries: 0 } }));
  const eventId = await givenEvent(house, 'loop.start');
  for (const { webhook_id } of hooks) await deliveryOf(house, eventId, 'dead', webhook_id);
  // Each hears of the other's failure once, fails at it, and that is the end: no news about news.
  await receiver.received(2, '/loop-a');
  await receiver.received(2, '/loop-b');
  const news = receiver.requests.filter(({ path, event }) => path.startsWith('/loop') && event.event_type === 'delivery.exhausted');
  for (const { event } of news) expect(event.data.event_type).toBe('loop.start');
});

test('a burst is fanned out in several steps, and each event makes one delivery', async () => {
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/burst`, { events: ['burst'], is_active: false });
  const events = Array.from({ length: 1_000 }, () => ({ event_type: 'burst', data: {} }));
  const ids = (await Promise.all([1, 2, 3, 4].map(() => house.api.post('/v1/events').send({ events }).expect(202)))).flatMap(({ body }) => body.data.map(({ event_id }: { event_id: string }) => event_id));
  await eventually('all of it to be fanned out', async () => (await house.sql('SELECT FROM deliveries WHERE webhook_id = $1', [webhook_id])).length >= ids.length);
  const made = await house.sql<{ event_id: string }>('SELECT event_id FROM deliveries WHERE webhook_id = $1', [webhook_id]);
  expect(made.map(({ event_id }) => event_id).sort()).toEqual(ids.sort());
  expect(await house.sql("SELECT FROM pgboss.job WHERE name = 'delivery.fan-out-bulk'")).not.toEqual([]);
  expect(await house.sql("SELECT FROM pgboss.job WHERE name LIKE 'delivery.fan-out%' AND state <> 'completed'")).toEqual([]);
});
