import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { BUILT_IN_TYPES, exampleOf } from '../../src/delivery/shapes/examples.js';
import { deliveryOf, givenEvent, givenTenant, givenWebhook } from '../support/given.js';
import { useHouse } from '../support/house.js';
import { useReceiver } from '../support/receiver.js';

const house = useHouse();
const receiver = useReceiver();

const KEY = 'R0planted6789abcdefR0123456789ab';
const OTHER_KEY = 'S0planted6789abcdefS0123456789ab';
const publish = async (text: string): Promise<string> => (await house.api.post('/v1/events').set('content-type', 'application/json').send(text).expect(202)).body.event_id;
const errorsOf = async (fields: object, path = '/v1/webhooks', method: 'post' | 'patch' | 'put' = 'post'): Promise<{ pointer: string; detail: string }[]> => (await house.api[method](path).send(fields).expect(422)).body.errors;

test.each([
  ['lakehook', {}, 'application/json'], ['cloudevents', { source: '/billing' }, 'application/cloudevents+json'], ['slack', { link_url: 'https://lake.example/{event_id}' }, 'application/json'],
  ['microsoft_teams', {}, 'application/json'], ['discord', {}, 'application/json'], ['pagerduty', { routing_key: KEY }, 'application/json'],
  ['template', { template: 'id={{ event_id }}&amount={{ data.amount }}', content_type: 'application/x-www-form-urlencoded' }, 'application/x-www-form-urlencoded; charset=utf-8'],
  ['template', { template: '{"amount": {{ data.amount | json }}, "all": {{ data | json }}}' }, 'application/json'],
])('%s: the bytes that are signed are the bytes that are sent, the same at every attempt, retry by hand and replay from the log', async (format, format_options, contentType) => {
  receiver.answer = (_request, earlier) => (earlier === 0 ? 500 : 200);
  const path = `/bytes/${format}/${contentType.length}`;
  const { secret, webhook_id } = await givenWebhook(house, receiver.url + path, { events: ['bytes.*'], format, format_options });
  const eventId = await publish('{"event_type":"bytes.sent","data":{"amount": 143227.763678187615017991050,"id":9007199254740993,"text":"ünï \\"q\\""}}');
  const [first, second] = await receiver.received(2, path);
  await deliveryOf(house, eventId, 'succeeded', webhook_id);
  for (const { headers, body } of [first!, second!]) {
    expect(headers['content-type']).toBe(contentType);
    const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
    expect(headers['webhook-signature']).toBe(`v1,${createHmac('sha256', key).update(`${eventId}.${headers['webhook-timestamp'] as string}.`).update(body).digest('base64')}`);
    expect(headers['x-webhook-signature']).toBe(`sha256=${createHmac('sha256', key).update(body).digest('hex')}`);
  }
  expect(second!.body.equals(first!.body)).toBe(true);
  const { delivery_id } = await deliveryOf(house, eventId, 'succeeded', webhook_id);
  house.clock.advance(3_600_000);
  await house.api.post(`/v1/deliveries/${delivery_id}/retry`).expect(202);
  const [, , third] = await receiver.received(3, path);
  expect(third!.body.equals(first!.body)).toBe(true);
  if (format !== 'slack' && format !== 'discord' && format !== 'microsoft_teams') expect(first!.body.toString()).toContain('143227.763678187615017991050');
  await house.api.delete(`/v1/webhooks/${webhook_id}`).expect(204);
});

test('the routing key is sealed at rest, sent, masked in every answer, and kept when the mask comes back', async () => {
  const { body: created } = await house.api.post('/v1/webhooks').send({ url: `${receiver.url}/pd`, events: ['pd.*'], format: 'pagerduty', format_options: { routing_key: KEY } }).expect(201);
  const path = `/v1/webhooks/${created.webhook_id}`;
  const { body: read } = await house.api.get(path).expect(200);
  expect([created.format_options, read.format_options]).toEqual([{ routing_key: '********' }, { routing_key: '********' }]);
  const { body: patched } = await house.api.patch(path).send({ format_options: { ...read.format_options, severity: 'critical' } }).expect(200);
  const { body: put } = await house.api.put(path).send({ url: read.url, events: read.events, format: read.format, format_options: patched.format_options }).expect(200);
  expect(put.format_options).toEqual({ routing_key: '********', severity: 'critical' });
  await house.api.patch(path).send({ description: 'unrelated' }).expect(200);
  const { body: listed } = await house.api.get('/v1/webhooks').expect(200);
  const { body: preview } = await house.api.post(`${path}/preview`).send({}).expect(200);
  const { body: tested } = await house.api.post(`${path}/test`).send({}).expect(200);
  const [request] = await receiver.received(1, '/pd');
  expect(JSON.parse(request!.body.toString())).toMatchObject({ routing_key: KEY, event_action: 'trigger', payload: { severity: 'critical' } });
  expect(JSON.parse(preview.body)).toMatchObject({ routing_key: '********', event_action: 'trigger' });
  const { body: delivery } = await house.api.get(`/v1/deliveries/${tested.delivery_id}`).expect(200);
  const stored = await house.sql('SELECT w::text FROM webhooks w UNION ALL SELECT a::text FROM attempts a UNION ALL SELECT e::text FROM events e');
  for (const seen of [created, read, patched, put, listed, preview, tested, delivery, stored]) expect(JSON.stringify(seen)).not.toContain(KEY);
  expect((await house.api.patch(path).send({ format_options: { routing_key: OTHER_KEY } }).expect(200)).body.format_options).toEqual({ routing_key: '********' });
  await house.api.post(`${path}/test`).send({}).expect(200);
  expect((await receiver.received(2, '/pd')).map(({ body }) => JSON.parse(body.toString()).routing_key)).toEqual([KEY, OTHER_KEY]);
});

test('PATCH of other fields keeps the format; a change of format alone starts without options; PUT without one goes back to lakehook', async () => {
  const { webhook_id } = await givenWebhook(house, receiver.url, { events: ['never'], format: 'slack', format_options: { link_url: 'https://lake.example/' } });
  const path = `/v1/webhooks/${webhook_id}`;
  expect((await house.api.patch(path).send({ is_active: false }).expect(200)).body).toMatchObject({ format: 'slack', format_options: { link_url: 'https://lake.example/' } });
  expect((await house.api.patch(path).send({ format: 'slack' }).expect(200)).body.format_options).toEqual({ link_url: 'https://lake.example/' });
  expect((await house.api.patch(path).send({ format: 'discord' }).expect(200)).body).toMatchObject({ format: 'discord', format_options: {} });
  expect(await errorsOf({ format: 'pagerduty' }, path, 'patch')).toEqual([{ pointer: '/format_options/routing_key', detail: 'is required by the format pagerduty' }]);
  expect((await house.api.put(path).send({ url: receiver.url }).expect(200)).body).toMatchObject({ format: 'lakehook', format_options: {} });
  await house.api.delete(path).expect(204);
});

test('of two changes of the format at the same time the second is judged by the first', async () => {
  for (let round = 0; round < 5; round++) {
    const { webhook_id } = await givenWebhook(house, receiver.url, { events: ['never'], format: 'slack' });
    const path = `/v1/webhooks/${webhook_id}`;
    await Promise.all([house.api.patch(path).send({ format: 'cloudevents' }), house.api.patch(path).send({ format_options: { link_url: 'https://lake.example/' } })]);
    const { format, format_options } = (await house.api.get(path).expect(200)).body;
    expect([['slack', 'https://lake.example/'], ['cloudevents', undefined]]).toContainEqual([format, format_options.link_url]);
    await house.api.delete(path).expect(204);
  }
});

test.each([
  [{ format: 'xml' }, '/format', 'must be one of lakehook'], [{ format: null }, '/format', 'must be one of'], [{ format: 'slack', format_options: 'x' }, '/format_options', 'object'], [{ format: 'slack', format_options: [] }, '/format_options', 'object'], [{ format_options: null }, '/format_options', 'object'],
  [{ format_options: { template: 'x' } }, '/format_options/template', 'is not an option of the format lakehook'], [{ format: 'slack', format_options: { constructor: 'x' } }, '/format_options/constructor', 'is not an option'],
  [{ format: 'slack', format_options: { link_url: { constructor: 'x' } } }, '/format_options/link_url', 'must be a string'],
  [{ format: 'pagerduty', format_options: { routing_key: '********' } }, '/format_options/routing_key', 'none is stored'],
  [{ format: 'template', format_options: { template: 'a\n {% if x %}' } }, '/format_options/template', 'line 2, column 2'], [{ format: 'template', format_options: { template: '{% include "x" %}' } }, '/format_options/template', 'tag "include" not found'],
  [{ format: 'template', format_options: { template: '{"cost": {{ data.nonsense }}}' } }, '/format_options/template', 'did not make JSON'],
  [{ format: 'template', format_options: { template: '{% for a in (1..999999999) %}{% endfor %}', content_type: 'text/plain' } }, '/format_options/template', 'limit exceeded'],
])('%j is refused on save at %s: %s', async (fields, pointer, words) => {
  expect(await errorsOf({ url: receiver.url, ...fields })).toEqual([{ pointer, detail: expect.stringContaining(words) }]);
});

test('a template is tried on an example of what the webhook listens to', async () => {
  const template = '{"cost": {{ data.actual_cost }}}';
  const fields = { url: receiver.url, format: 'template', format_options: { template } };
  for (const events of [['anomaly_detected'], ['budget_exceeded', 'x'], ['*']]) {
    const { webhook_id } = (await house.api.post('/v1/webhooks').send({ ...fields, events, is_active: false }).expect(201)).body;
    await house.api.delete(`/v1/webhooks/${webhook_id}`).expect(204);
  }
  for (const events of [['resource_idle'], ['cost_import.*'], ['order.created']]) expect((await errorsOf({ ...fields, events }))[0]).toMatchObject({ pointer: '/format_options/template', detail: expect.stringContaining('"{"cost": }"') });
});

test('a message that cannot be rendered fails as class template, without a request, by the retry policy, and holds up nothing', async () => {
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/fragile`, { events: ['fragile'], format: 'template', format_options: { template: '{"n": {{ data.n | default: 0 }}}' }, retry_policy: { max_retries: 1, base_seconds: 0.05, factor: 1, jitter: false } });
  await givenWebhook(house, `${receiver.url}/beside`, { events: ['fragile'] });
  const bad = await givenEvent(house, 'fragile', { n: 'planted-payload' });
  const dead = await deliveryOf(house, bad, 'dead', webhook_id);
  expect(dead.attempts.map(({ error_class, error, response_status, request_headers }) => ({ error_class, error, response_status, request_headers }))).toEqual(Array.from({ length: 2 }, () => ({
    error_class: 'template', error: expect.stringContaining('did not make JSON'), response_status: null, request_headers: {},
  })));
  expect(JSON.stringify(dead.attempts)).not.toContain('planted-payload');
  expect((await house.api.get(`/v1/webhooks/${webhook_id}`).expect(200)).body).toMatchObject({ status: 'active', circuit: { state: 'closed', failing_since: null } });
  const good = await givenEvent(house, 'fragile', { n: 1 });
  await deliveryOf(house, good, 'succeeded', webhook_id);
  await receiver.received(2, '/beside');
  expect((await receiver.received(1, '/fragile')).map(({ body }) => body.toString())).toEqual(['{"n": 1}']);
  // Mended and redriven, it arrives.
  await house.api.patch(`/v1/webhooks/${webhook_id}`).send({ format_options: { template: '{"n": {{ data.n | json }}}' } }).expect(200);
  await house.api.post('/v1/dead-letters/redrive').send({ delivery_ids: [dead.delivery_id] }).expect(202);
  await deliveryOf(house, bad, 'succeeded', webhook_id);
  expect((await receiver.received(2, '/fragile'))[1]!.body.toString()).toBe('{"n": "planted-payload"}');
});

test('a test send takes the same way as a delivery', async () => {
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/tested`, { events: ['never'], format: 'discord' });
  expect((await house.api.post(`/v1/webhooks/${webhook_id}/test`).send({ event_type: 'budget_exceeded' }).expect(200)).body).toMatchObject({ status: 'succeeded' });
  const [request] = await receiver.received(1, '/tested');
  expect(JSON.parse(request!.body.toString()).embeds[0].title).toBe('Budget exceeded\\: Platform team');
});

test('a preview shows what would be sent, of an example or of an event given, and sends and stores nothing', async () => {
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/preview`, { events: ['*'], format: 'cloudevents' });
  const preview = async (body: string, status = 200) => (await house.api.post(`/v1/webhooks/${webhook_id}/preview`).set('content-type', 'application/json').send(body).expect(status)).body;
  const before = await house.sql('SELECT count(*) FROM events');
  expect(JSON.parse((await preview('{}')).body)).toMatchObject({ specversion: '1.0', type: 'webhook.test' });
  expect(await preview('{"event_type":"anomaly_detected"}')).toMatchObject({ content_type: 'application/cloudevents+json', body: expect.stringContaining('"actual_cost":1389.27') });
  const shown = await preview('{"event":{"event_type":"x.y","event_id":"mine","timestamp":"2026-01-01T00:00:00Z","data":{"n" : 143227.763678187615017991050},"metadata":{"a":1}}}');
  expect(shown.body).toBe('{"specversion":"1.0","id":"mine","source":"/lakehook","type":"x.y","time":"2026-01-01T00:00:00.000Z","datacontenttype":"application/json","metadata":"{\\"a\\":1}","data":{"n" : 143227.763678187615017991050}}');
  expect((await preview('{"event":{"event_type":"x y","data":[]}}', 422)).errors.map(({ pointer }: { pointer: string }) => pointer)).toEqual(['/event/event_type', '/event/data']);
  expect((await preview('{"event_type":"a","event":{"event_type":"a","data":{}}}', 422)).errors[0].pointer).toBe('/event_type');
  expect((await preview('{"event":[]}', 422)).errors[0].pointer).toBe('/event');
  expect((await preview('{"event":{"event_type":"x.y","data":{"constructor":"x"}}}')).body).toContain('"data":{"constructor":"x"}');
  expect((await preview('{"event_type":"no spaces"}', 422)).errors[0].pointer).toBe('/event_type');
  await house.api.patch(`/v1/webhooks/${webhook_id}`).send({ format: 'template', format_options: { template: '{"n": {{ data.n | default: 1 }}}' } }).expect(200);
  expect((await preview('{"event":{"event_type":"a","data":{"n":"text"}}}', 422)).errors).toEqual([{ pointer: '/event', detail: expect.stringContaining('did not make JSON') }]);
  expect(await house.sql('SELECT count(*) FROM events')).toEqual(before);
  expect(receiver.requests.filter(({ path }) => path === '/preview')).toEqual([]);
  await house.as(await givenTenant(house, 'formats')).post(`/v1/webhooks/${webhook_id}/preview`).send({}).expect(404);
});

const GUIDE = /\n## Formats\n(.*?)\n## /s.exec(readFileSync('docs/webhooks.md', 'utf8'))![1]!;

test('the requests in docs/webhooks.md work as pasted, but for the host', async () => {
  const bodies = [...GUIDE.matchAll(/curl (\S+)[^']*'Content-Type: application\/json' \\\n\s+-d '([^']*)'/g)].map(([, url, body]) => ({ path: url!.slice(url!.indexOf('/')), body: JSON.parse(body!) as { url?: string; format?: string } }));
  const formats = new Set<string | undefined>();
  let last = '';
  for (const { path, body } of bodies) {
    formats.add(body.format);
    if (path.endsWith('/preview')) expect((await house.api.post(path.replace('<webhook_id>', last)).send(body).expect(200)).body.body).not.toBe('');
    else last = (await house.api.post(path).send({ ...body, url: `${receiver.url}/guide` }).expect(201)).body.webhook_id;
    expect((await house.api.post(`/v1/webhooks/${last}/test`).send({ event_type: 'budget_exceeded' }).expect(200)).body.status).toBe('succeeded');
  }
  expect([...formats].sort()).toEqual(['cloudevents', 'discord', 'microsoft_teams', 'pagerduty', 'slack', 'template', undefined]);
});

const named = (cell: string): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name!).sort();
const fieldsOf = (value: unknown): string[] => (typeof value === 'object' && value !== null ? Object.entries(value).flatMap(([name, inner]) => [name, ...fieldsOf(Array.isArray(inner) ? inner[0] : inner)]) : []);

test('docs/webhooks.md lists each built-in type with the fields its events have', () => {
  const listed = Object.fromEntries([...GUIDE.matchAll(/^\| `([\w.]+)` \| (`.*) \|$/gm)].filter(([, type]) => BUILT_IN_TYPES.includes(type!)).map(([, type, fields]) => [type, named(fields!)]));
  expect(listed).toEqual(Object.fromEntries(BUILT_IN_TYPES.map((type) => [type, fieldsOf(JSON.parse(exampleOf(type, 0))).sort()])));
});
