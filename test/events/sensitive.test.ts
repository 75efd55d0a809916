import { beforeAll, expect, test } from 'vitest';
import { eventually } from '../support/eventually.js';
import { deliveryOf, givenEvent, givenWebhook } from '../support/given.js';
import { type Api, useHouse } from '../support/house.js';
import { bodyOf, givenSource, push } from '../support/provider.js';
import { useReceiver } from '../support/receiver.js';

const house = useHouse();
const receiver = useReceiver();
const SECRET = 'planted-secret';
let blind: Api;
let seeing: Api;

beforeAll(async () => {
  await house.api.post('/v1/event-types').send({ name: 'person', contains_sensitive: ['/name', '/cards/*/number', '/a~1b', '/deep/*'] }).expect(201);
  const keyWith = async (...scopes: string[]): Promise<Api> => house.as((await house.api.post('/v1/api-keys').send({ name: 'k', scopes: ['events:read', 'sources:read', 'deliveries:read', 'webhooks:read', 'event-types:write', ...scopes] }).expect(201)).body.key);
  blind = await keyWith();
  seeing = await keyWith('events:read_sensitive');
});

/** Publishes `data` as this very text. */
const publishText = async (data: string): Promise<string> => (await house.api.post('/v1/events').set('content-type', 'application/json').send(`{"event_type":"person","data":${data}}`).expect(202)).body.event_id as string;

test('sensitive fields are masked for keys without the scope, and every other character is as it was sent', async () => {
  const data = `{ "name" : "${SECRET}" ,"n":1.0, "cards":[ {"number":"${SECRET}","x":[ ]},{"number" :{"${SECRET}":1e2}} , 7],"a/b":null,"deep":{"x":["${SECRET}"],"y":-0.0},"\\u006eame":["${SECRET}"], "name ":"kept" }`;
  const id = await publishText(data);
  const mask = '"********"';
  const hidden = `{ "name" : ${mask} ,"n":1.0, "cards":[ {"number":${mask},"x":[ ]},{"number" :${mask}} , 7],"a/b":${mask},"deep":{"x":${mask},"y":${mask}},"\\u006eame":${mask}, "name ":"kept" }`;
  for (const path of [`/v1/events/${id}`, '/v1/events?event_type=person']) {
    expect((await blind.get(path).expect(200)).text, path).toContain(`"data":${hidden},"metadata"`);
    for (const api of [seeing, house.api]) expect((await api.get(path).expect(200)).text, path).toContain(`"data":${data},"metadata"`);
  }
});

test('the bytes of an event are masked where they are its data, and refused where they are something else', async () => {
  const id = await publishText(`{"name":"${SECRET}", "open": 1}`);
  expect((await bodyOf({ api: blind }, `/v1/events/${id}/body`)).bytes.toString()).toBe('{"name":"********", "open": 1}');
  expect((await bodyOf({ api: seeing }, `/v1/events/${id}/body`)).bytes.toString()).toBe(`{"name":"${SECRET}", "open": 1}`);
  const source = await givenSource(house);
  const { body: form } = await push(house, source, `name=${SECRET}`, { event: 'person', type: 'application/x-www-form-urlencoded' }).expect(202);
  const { body, text } = await blind.get(`/v1/events/${form.event_id}/body`).expect(403);
  expect(body.detail).toContain('events:read_sensitive');
  expect(text).not.toContain(SECRET);
  expect((await bodyOf({ api: seeing }, `/v1/events/${form.event_id}/body`)).bytes.toString()).toBe(`name=${SECRET}`);
  const { body: other } = await push(house, source, 'open=1', { event: 'harmless', type: 'application/x-www-form-urlencoded' }).expect(202);
  expect((await bodyOf({ api: blind }, `/v1/events/${other.event_id}/body`)).bytes.toString()).toBe('open=1');
});

test('bytes in quarantine and of conflicts, whose type nobody can vouch for, are kept from keys without the scope', async () => {
  const source = await givenSource(house);
  const path = `/v1/sources/${source.source_id}`;
  await push(house, source, '{"n":1}', { id: 'same', event: 'person' }).expect(202);
  await push(house, source, `{"name":"${SECRET}"}`, { id: 'same', event: 'harmless' }).expect(202);
  await push(house, source, `{"name":"${SECRET}"}`, { event: 'harmless', secret: 'mistyped' }).expect(401);
  const [conflict] = (await blind.get(`${path}/conflicts`).expect(200)).body.data;
  const [kept] = await eventually('the request to be kept', async () => {
    const { data } = (await blind.get(`${path}/quarantine`).expect(200)).body;
    return data.length > 0 && data;
  });
  expect(kept).toMatchObject({ body_start: null, byte_count: expect.any(Number) });
  for (const bytes of [`${path}/conflicts/${conflict.conflict_id}/body`, `${path}/quarantine/${kept.quarantine_id}/body`]) {
    const { body, text } = await blind.get(bytes).expect(403);
    expect(body.detail).toContain('events:read_sensitive');
    expect(text).not.toContain(SECRET);
    expect((await bodyOf({ api: seeing }, bytes)).bytes.toString()).toContain(SECRET);
  }
  expect((await seeing.get(`${path}/quarantine`).expect(200)).text).toContain(SECRET);
});

test('receivers get the true bytes', async () => {
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/true`, { events: ['person'] });
  const id = await publishText(`{"name":"${SECRET}"}`);
  await deliveryOf(house, id, 'succeeded', webhook_id);
  expect((await receiver.received(1, '/true'))[0]!.body.toString()).toContain(`"data":{"name":"${SECRET}"}`);
});

test('what a receiver answers, and the order key of a dead letter, are masked as well: they may repeat it', async () => {
  receiver.answer = ({ body }) => ({ status: 500, headers: { 'x-echo': SECRET }, body: body.toString() });
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/echo`, { events: ['person'], ordered: true, order_key: 'data.name', retry_policy: { max_retries: 0 } });
  const { delivery_id } = await deliveryOf(house, await publishText(`{"name":"${SECRET}"}`), 'dead', webhook_id);
  const paths = [`/v1/deliveries/${delivery_id}`, `/v1/dead-letters/${delivery_id}`, '/v1/dead-letters', '/v1/deliveries', `/v1/webhooks/${webhook_id}/deliveries`, `/v1/webhooks/${webhook_id}/health`];
  for (const path of paths) expect((await blind.get(path).expect(200)).text, path).not.toContain(SECRET);
  for (const [api, headers] of [[blind, null], [seeing, expect.objectContaining({ 'x-echo': SECRET })]] as const) expect((await api.get(paths[0]!).expect(200)).body.attempts[0].response_headers).toEqual(headers);
  for (const path of paths.slice(0, 3)) expect((await seeing.get(path).expect(200)).text, path).toContain(SECRET);
});

test('a filter tried on a stored event sees it as the caller does, and says so', async () => {
  const { webhook_id } = await givenWebhook(house, receiver.url, { events: ['person'] });
  const event_id = await publishText(`{"name":"${SECRET}","open":1}`);
  const path = `/v1/webhooks/${webhook_id}/filter/test`;
  const filter = { 'data.name': { $prefix: 'planted' } };
  expect((await seeing.post(path).send({ event_id, filter }).expect(200)).body).toMatchObject({ matches: true, masked: false });
  const { body, text } = await blind.post(path).send({ event_id, filter }).expect(200);
  expect(body).toMatchObject({ matches: false, masked: true });
  expect(text).not.toContain(SECRET);
  expect((await blind.post(path).send({ event_id, filter: { 'data.open': 2 } }).expect(200)).body).toMatchObject({ matches: false, masked: true });
});

test('a proposed schema tells the type of what is sensitive, and no more', async () => {
  for (let n = 0; n < 12; n++) await publishText(`{"name":"${SECRET}","deep":{"x":{"${SECRET}":1}},"open":"shown"}`);
  const { text, body } = await blind.post('/v1/event-types/person/infer').send({ limit: 12 }).expect(200);
  expect(text).not.toContain(SECRET);
  expect(body.schema.properties).toMatchObject({ name: { type: 'string' }, open: { enum: ['shown'] }, deep: { properties: { x: { type: 'object' } } } });
  expect((await seeing.post('/v1/event-types/person/infer').send({ limit: 12 }).expect(200)).text).toContain(SECRET);
});

test('who may not see a field cannot have it shown by changing the type, and archiving it shows nothing', async () => {
  await house.api.post('/v1/event-types').send({ name: 'leaving', contains_sensitive: ['/x'] }).expect(201);
  const id = await givenEvent(house, 'leaving', { x: SECRET });
  expect((await blind.put('/v1/event-types/leaving').send({ contains_sensitive: [] }).expect(403)).body.detail).toContain('events:read_sensitive');
  await blind.put('/v1/event-types/leaving').send({ contains_sensitive: ['/x', '/y'] }).expect(200);
  await blind.delete('/v1/event-types/leaving').expect(204);
  expect((await blind.get(`/v1/events/${id}`).expect(200)).text).not.toContain(SECRET);
  await blind.post('/v1/event-types').send({ name: 'leaving' }).expect(403);
  await seeing.post('/v1/event-types').send({ name: 'leaving' }).expect(201);
  expect((await blind.get(`/v1/events/${id}`).expect(200)).text).toContain(SECRET);
});

test.each<unknown[]>([['x'], [''], ['/a~2b'], ['data.x'], ['/ok', 5], [`/${'x'.repeat(500)}`]])('the path %j is refused at its place', async (...paths) => {
  const { body } = await house.api.post('/v1/event-types').send({ name: 'never', contains_sensitive: paths }).expect(422);
  expect(body.errors[0].pointer).toMatch(paths.includes(5) ? /^\/contains_sensitive$/ : /^\/contains_sensitive\/0$/);
});
