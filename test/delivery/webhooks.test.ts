import { expect, test } from 'vitest';
import { deliveryOf, givenEvent, givenTenant, givenWebhook, QUICK } from '../support/given.js';
import { eventually } from '../support/eventually.js';
import { useHouse } from '../support/house.js';
import { useReceiver } from '../support/receiver.js';

const house = useHouse();
const receiver = useReceiver();

const FULL = { description: 'the lot', events: ['a.*', 'b'], headers: { 'x-team': 'blue', authorization: 'Bearer planted' }, is_active: false, retry_policy: { max_retries: 7, base_seconds: 1, factor: 2, max_seconds: 9, jitter: false } };
const get = async (id: string) => (await house.api.get(`/v1/webhooks/${id}`).expect(200)).body;

test('only the url is needed; the rest has defaults, and the secret is shown once', async () => {
  const { body } = await house.api.post('/v1/webhooks').send({ url: 'http://127.0.0.1:9/x' }).expect(201);
  expect(body).toMatchObject({
    url: 'http://127.0.0.1:9/x', description: '', events: ['*'], headers: {}, is_active: true, status: 'active', disabled_reason: null, secret: expect.stringMatching(/^whsec_[A-Za-z0-9+/]{43}=$/),
    secret_hint: `…${body.secret.slice(-4)}`, retry_policy: { max_retries: 3, base_seconds: 5, factor: 6, max_seconds: 180, jitter: true },
  });
  const { secret, ...shown } = body;
  expect(await get(body.webhook_id)).toEqual(shown);
  expect(JSON.stringify((await house.api.get('/v1/webhooks').expect(200)).body)).not.toContain(secret);
  await house.api.delete(`/v1/webhooks/${body.webhook_id}`).expect(204);
});

test('neither the secret nor the static headers stand readable in the database', async () => {
  const { secret, webhook_id } = await givenWebhook(house, receiver.url, { events: ['never'], headers: { authorization: 'Bearer planted-credential' } });
  const rows = await house.sql<{ row: string }>('SELECT w::text AS row FROM webhooks w WHERE webhook_id = $1 UNION ALL SELECT s::text FROM webhook_secrets s WHERE webhook_id = $1', [webhook_id]);
  expect(rows).toHaveLength(2);
  for (const { row } of rows) for (const planted of [secret, 'planted-credential']) expect(row).not.toContain(planted);
});

test('PATCH changes what is given and nothing else', async () => {
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/before`, FULL);
  const before = await get(webhook_id);
  for (const change of [{}, { description: 'new' }, { events: ['c'] }, { headers: {} }, { is_active: true }, { url: `${receiver.url}/after` }, { retry_policy: 'durable' }]) {
    const expected = { ...(await get(webhook_id)), ...change };
    const { body } = await house.api.patch(`/v1/webhooks/${webhook_id}`).send(change).expect(200);
    const { updated_at: _updated, status: _status, retry_policy, ...rest } = expected;
    expect(body, JSON.stringify(change)).toMatchObject(rest);
    expect(Object.keys(body.headers)).toEqual(Object.keys(rest.headers));
    if (typeof retry_policy === 'object') expect(body.retry_policy).toEqual(retry_policy);
  }
  expect((await get(webhook_id)).retry_policy.max_retries).toBe(18);
  expect((await get(webhook_id)).secret_hint).toBe(before.secret_hint);
});

test('PUT sets every field, those left out to their defaults, and keeps the secret', async () => {
  const { webhook_id, secret } = await givenWebhook(house, `${receiver.url}/before`, FULL);
  const { body } = await house.api.put(`/v1/webhooks/${webhook_id}`).send({ url: `${receiver.url}/put` }).expect(200);
  await house.api.delete(`/v1/webhooks/${webhook_id}`).expect(204);
  expect(body).toMatchObject({ url: `${receiver.url}/put`, description: '', events: ['*'], headers: {}, is_active: true, retry_policy: { max_retries: 3 }, secret_hint: `…${secret.slice(-4)}` });
});

test('static headers are sent, and masked in the record', async () => {
  await givenWebhook(house, `${receiver.url}/headers`, { events: ['headers'], headers: { Authorization: 'Bearer planted', 'x-team': 'blue' } });
  const eventId = await givenEvent(house, 'headers');
  const [request] = await receiver.received(1, '/headers');
  expect(request!.headers).toMatchObject({ authorization: 'Bearer planted', 'x-team': 'blue', 'content-type': 'application/json', 'user-agent': expect.stringMatching(/^Lakehook\/\d/) });
  const { attempts: [attempt] } = await deliveryOf(house, eventId, 'succeeded');
  expect(attempt!.request_headers).toMatchObject({ Authorization: '(set on the webhook)', 'x-team': '(set on the webhook)', 'webhook-id': eventId });
  expect(JSON.stringify(await house.sql('SELECT a::text FROM attempts a'))).not.toContain('planted');
});

test('a changed url counts from the next attempt on', async () => {
  receiver.answer = ({ path }) => (path === '/old' ? 500 : 200);
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/old`, { events: ['moving'], retry_policy: { ...QUICK, base_seconds: 3_600, max_seconds: 3_600 } });
  const eventId = await givenEvent(house, 'moving');
  await deliveryOf(house, eventId, 'retrying', webhook_id);
  await house.api.patch(`/v1/webhooks/${webhook_id}`).send({ url: `${receiver.url}/new` }).expect(200);
  house.clock.advance(3_600_000);
  await deliveryOf(house, eventId, 'succeeded', webhook_id);
  expect(receiver.requests.map(({ path }) => path).filter((path) => /old|new/.test(path))).toEqual(['/old', '/new']);
});

test('a paused webhook holds its deliveries, and hands them out when it is resumed', async () => {
  const paused = await givenWebhook(house, `${receiver.url}/paused`, { events: ['pause'], is_active: false });
  await givenWebhook(house, `${receiver.url}/running`, { events: ['pause'] });
  const ids = [await givenEvent(house, 'pause'), await givenEvent(house, 'pause'), await givenEvent(house, 'pause')];
  await receiver.received(3, '/running');
  for (const id of ids) expect((await deliveryOf(house, id, 'pending', paused.webhook_id)).attempt_count).toBe(0);
  expect(await get(paused.webhook_id)).toMatchObject({ status: 'paused', is_active: false });
  expect(receiver.requests.filter(({ path }) => path === '/paused')).toEqual([]);
  await house.api.patch(`/v1/webhooks/${paused.webhook_id}`).send({ is_active: true }).expect(200);
  const arrived = await receiver.received(3, '/paused');
  expect(arrived.map(({ event }) => event.event_id).sort()).toEqual(ids.sort());
});

test('deleting a webhook cancels what waits for it and leaves its history readable', async () => {
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/deleted`, { events: ['deleted'], is_active: false });
  const eventId = await givenEvent(house, 'deleted');
  const { delivery_id } = await deliveryOf(house, eventId, 'pending');
  await house.api.delete(`/v1/webhooks/${webhook_id}`).expect(204);
  expect((await house.api.get(`/v1/deliveries/${delivery_id}`).expect(200)).body).toMatchObject({ status: 'cancelled', next_attempt_at: null, completed_at: expect.any(String) });
  for (const [method, path] of [['get', ''], ['patch', ''], ['delete', ''], ['get', '/deliveries'], ['post', '/test'], ['post', '/rotate-secret']] as const) await house.api[method](`/v1/webhooks/${webhook_id}${path}`).expect(404);
  expect(JSON.stringify((await house.api.get('/v1/webhooks?limit=200')).body)).not.toContain(webhook_id);
  expect(await house.sql('SELECT FROM webhook_secrets WHERE webhook_id = $1', [webhook_id])).toEqual([]);
  expect(await house.sql('SELECT FROM delivery_queue WHERE webhook_id = $1', [webhook_id])).toEqual([]);
});

test('deleting a webhook while an attempt is under way ends its delivery too', async () => {
  let release: () => void;
  receiver.answer = () => (response) => { release = () => response.writeHead(500).end(); };
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/under-way`, { events: ['under.way'] });
  const eventId = await givenEvent(house, 'under.way');
  await receiver.received(1, '/under-way');
  await house.api.delete(`/v1/webhooks/${webhook_id}`).expect(204);
  release!();
  await deliveryOf(house, eventId, 'cancelled');
});

test('lists show a tenant its own webhooks, newest first, page by page', async () => {
  const other = { ...house, api: house.as(await givenTenant(house)) };
  const made: string[] = [];
  for (let n = 0; n < 5; n++) made.unshift((await givenWebhook(other, `${receiver.url}/${n}`)).webhook_id);
  const ids: string[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const { body }: { body: { data: { webhook_id: string }[]; next_cursor: string | null } } = await other.api.get(`/v1/webhooks?limit=2${cursor && `&cursor=${cursor}`}`).expect(200);
    ids.push(...body.data.map(({ webhook_id }) => webhook_id));
    cursor = body.next_cursor;
  }
  expect(ids).toEqual(made);
});

test('the deliveries of a webhook are listed by status, type and time', async () => {
  receiver.answer = ({ event }) => (event.event_type === 'list.bad' ? 400 : 200);
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/listed`, { events: ['list.*'], retry_policy: { max_retries: 0 } });
  const good = await givenEvent(house, 'list.good');
  await deliveryOf(house, good, 'succeeded');
  house.clock.advance(60_000);
  const bad = await givenEvent(house, 'list.bad');
  const { delivery_id } = await deliveryOf(house, bad, 'dead');
  const list = async (query: string): Promise<string[]> => (await house.api.get(`/v1/webhooks/${webhook_id}/deliveries?${query}`).expect(200)).body.data.map(({ event_id }: { event_id: string }) => event_id);
  const { created_at } = (await house.api.get(`/v1/deliveries/${delivery_id}`)).body;
  expect(await list('')).toEqual([bad, good]);
  expect(await list('status=dead')).toEqual([bad]);
  expect(await list('event_type=list.good')).toEqual([good]);
  expect(await list(`from=${created_at}`)).toEqual([bad]);
  expect(await list(`to=${created_at}`)).toEqual([good]);
  await eventually('the list over all webhooks to agree', async () => (await house.api.get(`/v1/deliveries?webhook_id=${webhook_id}&status=dead`)).body.data.length === 1);
});

test('of two changes at the same time neither undoes the other', async () => {
  for (let round = 0; round < 5; round++) {
    const { webhook_id } = await givenWebhook(house, `${receiver.url}/changed`, { is_active: true });
    const path = `/v1/webhooks/${webhook_id}`;
    await Promise.all([house.api.patch(path).send({ is_active: false }).expect(200), house.api.patch(path).send({ description: 'changed' }).expect(200)]);
    expect((await house.api.get(path).expect(200)).body).toMatchObject({ is_active: false, description: 'changed' });
  }
});
