import { beforeAll, expect, test } from 'vitest';
import { givenEvent, givenTenant, givenWebhook } from '../support/given.js';
import { useHouse } from '../support/house.js';

const house = useHouse({ MAX_BODY_BYTES: '100000', OUTBOUND_ALLOW_PRIVATE: '10.9.0.0/16' });
const MISSING = '018f4e2a-0000-7abc-8def-0123456789ab';
const ids = { type: 'bad.input', webhook: '', partner: '', source: '', destination: '', foreignWebhook: '', delivery: MISSING, event: '' };

beforeAll(async () => {
  ids.webhook = (await givenWebhook(house, 'http://10.9.0.1/')).webhook_id;
  const other = { ...house, api: house.as(await givenTenant(house)) };
  ids.foreignWebhook = (await givenWebhook(other, 'http://10.9.0.1/')).webhook_id;
  ids.partner = (await house.api.post('/v1/partners').send({ name: 'of the tests' }).expect(201)).body.partner_id;
  ids.source = (await house.api.post('/v1/sources').send({ name: 'of the tests', provider: 'none' }).expect(201)).body.source_id;
  ids.destination = (await house.api.post('/v1/datalake/destinations').send({ name: 'of the tests', type: 'disk' }).expect(201)).body.destination_id;
  await house.api.post('/v1/event-types').send({ name: ids.type, schema: {} }).expect(201);
  ids.event = await givenEvent(house, 'bad.input');
});

type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';
interface Refusal { status: number; code: string; pointers?: string[] }
const invalid = (...pointers: string[]): Refusal => ({ status: 422, code: 'invalid', pointers });

/** Sends `body` as it is and holds the answer against what it should be. */
async function expectRefusal(method: Method, path: string, body: string | Buffer | undefined, refusal: Refusal, headers: Record<string, string> = {}): Promise<void> {
  const request = house.api[method](path.replace('{webhook}', ids.webhook).replace('{partner}', ids.partner).replace('{type}', ids.type).replace('{source}', ids.source).replace('{destination}', ids.destination).replace('{foreign}', ids.foreignWebhook));
  if (body !== undefined) void request.set('content-type', 'application/json');
  for (const [name, value] of Object.entries(headers)) void request.set(name, value);
  const answer = await (body === undefined ? request : request.serialize((raw: unknown) => raw as string).send(body as string));
  expect({ status: answer.status, code: answer.body.code, detail: answer.body.detail }).toEqual({ status: refusal.status, code: refusal.code, detail: expect.any(String) });
  expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
  expect(answer.body).toMatchObject({ type: `/problems/${refusal.code}`, title: expect.any(String), instance: expect.any(String) });
  if (refusal.pointers) expect([...new Set((answer.body.errors as { pointer: string }[]).map(({ pointer }) => pointer))].sort()).toEqual([...refusal.pointers].sort());
}

const BODIES: [Method, string, string][] = [
  ['post', '/v1/events', '{"event_type":"a","data":{}}'], ['post', '/v1/webhooks', '{"url":"http://10.9.0.1/"}'], ['put', '/v1/webhooks/{webhook}', '{"url":"http://10.9.0.1/"}'], ['patch', '/v1/webhooks/{webhook}', '{}'],
  ['post', '/v1/webhooks/{webhook}/test', '{}'], ['post', '/v1/webhooks/{webhook}/preview', '{}'], ['post', '/v1/webhooks/{webhook}/filter/test', '{"event":{"event_type":"a","data":{}}}'], ['post', '/v1/webhooks/{webhook}/rotate-secret', '{}'], ['post', '/v1/signing-keys/rotate', '{}'], ['post', '/v1/dead-letters/redrive', '{"filter":{}}'], ['post', '/v1/webhooks/{webhook}/replay', '{"from":"2026-01-01T00:00:00Z"}'], ['post', '/v1/webhooks/{webhook}/recover', '{"since":"2026-01-01T00:00:00Z"}'],
  ['post', '/v1/sources', '{"name":"x","provider":"none"}'], ['put', '/v1/sources/{source}', '{"name":"x","provider":"none"}'], ['patch', '/v1/sources/{source}', '{}'], ['post', '/v1/sources/{source}/rotate-secret', '{"secret":"x"}'], ['post', '/v1/sources/{source}/rotate-token', '{}'], ['post', '/v1/sources/{source}/quarantine/reverify', '{}'],
  ['post', '/v1/api-keys', '{"name":"x"}'], ['post', '/v1/tenants', '{"name":"x"}'], ['post', '/v1/operations/processing', '{"paused":false}'], ['put', '/v1/operations/features/admission.shedding', '{"percentage":100}'],
  ['post', '/v1/event-types', '{"name":"x"}'], ['put', '/v1/event-types/{type}', '{}'], ['post', '/v1/event-types/{type}/versions', '{"schema":{}}'], ['put', '/v1/event-types/{type}/versions/1/status', '{"status":"ACTIVE"}'], ['post', '/v1/event-types/import', '{"document":{}}'], ['post', '/v1/event-types/{type}/infer', '{}'],
  ['post', '/v1/datalake/destinations', '{"name":"x","type":"disk"}'], ['put', '/v1/datalake/destinations/{destination}', '{"name":"x","type":"disk"}'], ['patch', '/v1/datalake/destinations/{destination}', '{}'],
  ['post', '/v1/partners', '{"name":"x"}'], ['patch', '/v1/partners/{partner}', '{}'], ['post', '/v1/subscriptions', `{"partner_id":"${MISSING}","webhook_id":"${MISSING}","events":["a"]}`],
];
const withMember = (body: string, member: string): string => `{${member}${body === '{}' ? '' : `,${body.slice(1, -1)}`}}`;

test.each(BODIES)('%s %s refuses bodies that are no JSON object', async (method, path, good) => {
  for (const text of ['[]', '[1]', '"text"', '7', 'true']) await expectRefusal(method, path, text, invalid(''));
  const unreadable: Refusal = { status: 400, code: 'unreadable_body', pointers: [''] };
  for (const text of ['{', '{"a":}', "{'a':1}", '{"a":1,}', 'undefined', 'NaN', '\u00a0{}', '{"a":01}', good + good, '{"a":"\n"}', ' ']) await expectRefusal(method, path, text, unreadable);
  await expectRefusal(method, path, `\uFEFF${good}`, unreadable);
  await expectRefusal(method, path, Buffer.concat([Buffer.from('{"x":"'), Buffer.from([0xc3, 0x28, 0xff]), Buffer.from('"}')]), unreadable);
  await expectRefusal(method, path, Buffer.from(good, 'utf16le'), unreadable);
});

test.each(BODIES)('%s %s refuses unknown fields, and what cannot be stored, at its place', async (method, path, good) => {
  await expectRefusal(method, path, withMember(good, '"surprise":1'), invalid('/surprise'));
  await expectRefusal(method, path, withMember(good, '"sur/pri~se":{"a":[]}'), invalid('/sur~1pri~0se'));
  await expectRefusal(method, path, withMember(good, '"surprise":"\\u0000"'), invalid('/surprise'));
  await expectRefusal(method, path, withMember(good, '"surprise":["ok","\\ud800"]'), invalid('/surprise/1'));
  await expectRefusal(method, path, withMember(good, '"__proto__":{"admin":true}'), invalid(''));
  await expectRefusal(method, path, withMember(good, '"surprise":{"\\u005f_proto__":1}'), invalid('/surprise'));
  await expectRefusal(method, path, withMember(good, `"surprise":${'['.repeat(5_000)}${']'.repeat(5_000)}`), invalid(`/surprise${'/0'.repeat(63)}`));
  await expectRefusal(method, path, withMember(good, '"surprise":1e99999'), invalid('/surprise'));
  await expectRefusal(method, path, withMember(good, '"constructor":{"prototype":1}'), invalid('/constructor'));
});

test.each(BODIES)('%s %s refuses bodies that are too large, or of another type', async (method, path, good) => {
  await expectRefusal(method, path, withMember(good, `"surprise":"${'x'.repeat(100_000)}"`), { status: 413, code: 'body_too_large' });
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'application/xml', 'application/jsonp', 'nonsense']) {
    await expectRefusal(method, path, good, { status: 415, code: 'unsupported_media_type' }, { 'content-type': type });
  }
});

const BAD_FIELDS: [Method, string, body: object | undefined, ...pointers: string[]][] = [
  ['post', '/v1/webhooks', undefined, '/url'], ['post', '/v1/webhooks', {}, '/url'], ['post', '/v1/webhooks', { url: null }, '/url'], ['post', '/v1/webhooks', { url: ['http://10.9.0.1/'] }, '/url'], ['post', '/v1/webhooks', { url: 5, description: 5 }, '/url', '/description'],
  ['post', '/v1/webhooks', { url: `http://10.9.0.1/${'x'.repeat(2048)}` }, '/url'], ['put', '/v1/webhooks/{webhook}', {}, '/url'], ['patch', '/v1/webhooks/{webhook}', { url: null }, '/url'], ['put', '/v1/webhooks/{webhook}', { url: 'http://10.9.0.1/', secret: 'own secret' }, '/secret'],
  ...['http://127.0.0.1/', 'http://127.1/', 'http://0x7f.1/', 'http://2130706433/', 'http://[::1]/', 'http://[::ffff:127.0.0.1]/', 'http://[::127.0.0.1]/', 'http://[64:ff9b::7f00:1]/', 'http://[2002:7f00:1::]/', 'http://[fec0::1]/', 'http://169.254.169.254/', 'http://[fd00:ec2::254]/',
    'http://100.100.100.200/', 'http://192.0.0.192/', 'http://224.0.0.1/', 'http://0.0.0.0/', 'http://localhost/', 'http://10.0.0.1/', 'http://192.168.1.1/', 'ftp://8.8.8.8/', 'not a url', '', 'http://u:p@8.8.8.8/', 'http://8.8.8.8/#x', 'http://8.8.8.8/\r\nx: y'].map(
    (url): [Method, string, object, string] => ['post', '/v1/webhooks', { url }, '/url']),
  ['patch', '/v1/webhooks/{webhook}', { url: 'http://127.1/' }, '/url'], ['put', '/v1/webhooks/{webhook}', { url: 'http://[::1]/' }, '/url'],
  ...[null, 'x', {}, [], [5], [null], [''], ['*a'], ['a', 'a'], ['a b'], [['a']], Array.from({ length: 101 }, (_, n) => `t${n}`)].map((events): [Method, string, object, string] => ['patch', '/v1/webhooks/{webhook}', { events }, '/events']),
  ...[null, [], 'x', 5].map((headers): [Method, string, object, string] => ['patch', '/v1/webhooks/{webhook}', { headers }, '/headers']),
  ...['Host', 'content-length', 'Transfer-Encoding', 'connection', 'webhook-id', 'X-Webhook-Signature', 'user-agent', 'bad name', 'x:y', ''].map((name): [Method, string, object, string] => ['patch', '/v1/webhooks/{webhook}', { headers: { [name]: 'v' } }, `/headers/${name}`]),
  ...['a\r\nx-evil: 1', 'a\nb', 'ünï', 'v'.repeat(4097), 5, null, ['v'], { a: 1 }].map((value): [Method, string, object, string] => ['patch', '/v1/webhooks/{webhook}', { headers: { 'x-a': value } }, '/headers/x-a']),
  ['patch', '/v1/webhooks/{webhook}', { is_active: 'yes' }, '/is_active'], ['patch', '/v1/webhooks/{webhook}', { is_active: null }, '/is_active'], ['patch', '/v1/webhooks/{webhook}', { is_active: 1 }, '/is_active'], ['patch', '/v1/webhooks/{webhook}', { description: 'x'.repeat(1001) }, '/description'],
  ...[null, 'often', [], 5].map((retry_policy): [Method, string, object, string] => ['patch', '/v1/webhooks/{webhook}', { retry_policy }, '/retry_policy']), ['patch', '/v1/webhooks/{webhook}', { retry_policy: { max_retries: 99, base_seconds: '5', huh: 1 } }, '/retry_policy/max_retries', '/retry_policy/base_seconds', '/retry_policy/huh'],
  ['post', '/v1/webhooks', { url: 'http://10.9.0.1/', secret: 'short' }, '/secret'], ['post', '/v1/webhooks', { url: 'http://10.9.0.1/', secret: 'x'.repeat(129) }, '/secret'], ['post', '/v1/webhooks', { url: 'http://10.9.0.1/', secret: 'geheimnis-ü' }, '/secret'], ['post', '/v1/webhooks', { url: 'http://10.9.0.1/', secret: null }, '/secret'],
  ['post', '/v1/webhooks/{webhook}/test', { event_type: '' }, '/event_type'], ['post', '/v1/webhooks/{webhook}/test', { event_type: 'a b' }, '/event_type'], ['post', '/v1/webhooks/{webhook}/test', { event_type: 5 }, '/event_type'], ['post', '/v1/webhooks/{webhook}/test', { event_type: null }, '/event_type'],
  ...[-1, 721, 1.5, '24', null].map((overlap_hours): [Method, string, object, string] => ['post', '/v1/webhooks/{webhook}/rotate-secret', { overlap_hours }, '/overlap_hours']),
  ...[-1, 721, 1.5, '24', null].map((overlap_hours): [Method, string, object, string] => ['post', '/v1/signing-keys/rotate', { overlap_hours }, '/overlap_hours']), ...[-1, 604_801, 1.5, '9', null].map((activate_after_seconds): [Method, string, object, string] => ['post', '/v1/signing-keys/rotate', { activate_after_seconds }, '/activate_after_seconds']),
  ...[null, [], 'v1', ['v1', 'v1'], ['v2'], [5], [null], [['v1']], {}].map((signing): [Method, string, object, string] => ['patch', '/v1/webhooks/{webhook}', { signing }, '/signing']),
  ...[5, 'stripe', [], true].map((signature): [Method, string, object, string] => ['patch', '/v1/webhooks/{webhook}', { signature }, '/signature']), ['post', '/v1/webhooks', { url: 'http://10.9.0.1/', signature: {} }, '/signature/header', '/signature/template'],
  ['put', '/v1/webhooks/{webhook}', { url: 'http://10.9.0.1/', signature: { header: 'host', template: '[', signed: '{x}', algorithm: 'md5', encoding: 'x', separator: 5, key: 'x', headers: { 'a b': '', 'x-a': '{body}' }, constructor: 1 } }, ...['header', 'template', 'signed', 'algorithm', 'encoding', 'separator', 'key', 'headers/a b', 'headers/x-a', 'constructor'].map((name) => `/signature/${name}`)],
  ['patch', '/v1/webhooks/{webhook}', { signature: { header: 'x', template: '{signature}', headers: { constructor: '{signature}' } } }, '/signature/headers/constructor'],
  ['post', '/v1/webhooks/{webhook}/rotate-secret', { secret: 'short' }, '/secret'], ['post', '/v1/webhooks/{webhook}/rotate-secret', { secret: 'whsec_x%%%%%%%' }, '/secret'],
  ['post', '/v1/dead-letters/redrive', undefined, '/filter'], ['post', '/v1/dead-letters/redrive', {}, '/filter'], ['post', '/v1/dead-letters/redrive', { filter: null }, '/filter'], ['post', '/v1/dead-letters/redrive', { filter: [] }, '/filter'], ['post', '/v1/dead-letters/redrive', { filter: 'all' }, '/filter'],
  ['post', '/v1/dead-letters/redrive', { filter: { huh: 1 } }, '/filter/huh'], ['post', '/v1/dead-letters/redrive', { filter: { webhook_id: 'x', from: 'y' } }, '/filter/webhook_id', '/filter/from'], ['post', '/v1/dead-letters/redrive', { filter: { from: '2026-01-01T23:59:60Z' } }, '/filter/from'],
  ['post', '/v1/dead-letters/redrive', { delivery_ids: [] }, '/delivery_ids'], ['post', '/v1/dead-letters/redrive', { delivery_ids: ['x'] }, '/delivery_ids'], ['post', '/v1/dead-letters/redrive', { delivery_ids: MISSING }, '/delivery_ids'], ['post', '/v1/dead-letters/redrive', { delivery_ids: null }, '/delivery_ids'],
  ['post', '/v1/dead-letters/redrive', { delivery_ids: [MISSING], filter: 5 }, '/filter'], ['post', '/v1/dead-letters/redrive', { delivery_ids: [MISSING], filter: { from: 'y' } }, '/filter/from'], ['post', '/v1/dead-letters/redrive', { filter: {}, dry_run: 'yes' }, '/dry_run'], ['post', '/v1/dead-letters/redrive', { filter: {}, dry_run: null }, '/dry_run'],
  ['post', '/v1/dead-letters/redrive', { filter: {}, rate_per_second: 0 }, '/rate_per_second'], ['post', '/v1/dead-letters/redrive', { filter: { error_class: '' } }, '/filter/error_class'], ['post', '/v1/dead-letters/redrive', { filter: { event_id: 'x'.repeat(201) } }, '/filter/event_id'],
  ['post', '/v1/webhooks/{webhook}/replay', { from: '2999-01-01T00:00:00Z' }, '/from'], ['post', '/v1/webhooks/{webhook}/recover', { since: '2999-01-01T00:00:00Z' }, '/since'],
  ['post', '/v1/api-keys', undefined, '/name'], ['post', '/v1/api-keys', { name: '' }, '/name'], ['post', '/v1/api-keys', { name: 'x'.repeat(201) }, '/name'], ['post', '/v1/api-keys', { name: ['x'] }, '/name'], ['post', '/v1/api-keys', { name: 'x', scopes: [] }, '/scopes'], ['post', '/v1/api-keys', { name: 'x', scopes: 'events:read' }, '/scopes'],
  ['post', '/v1/api-keys', { name: 'x', scopes: ['root'] }, '/scopes'], ['post', '/v1/api-keys', { name: 'x', scopes: ['*', '*'] }, '/scopes'], ['post', '/v1/api-keys', { name: 'x', scopes: null }, '/scopes'],
  ...['soon', '2026-01-01', 5, '2020-01-01T00:00:00Z', '2099-12-31T23:59:60Z', '2099-02-31T00:00:00Z', '9999-12-31T23:59:59-05:00'].map((expires_at): [Method, string, object, string] => ['post', '/v1/api-keys', { name: 'x', expires_at }, '/expires_at']),
  ...[{ 'x-a': 'v', constructor: 5 }, { constructor: { a: 1 } }].map((headers): [Method, string, object, string] => ['patch', '/v1/webhooks/{webhook}', { headers }, '/headers/constructor']), ['patch', '/v1/webhooks/{webhook}', { retry_policy: { constructor: {} } }, '/retry_policy/constructor'], ['patch', '/v1/webhooks/{webhook}', { filter: { constructor: {} } }, '/filter/constructor'], ['patch', '/v1/webhooks/{webhook}', { format_options: { constructor: {} } }, '/format_options/constructor'],
  ['post', '/v1/dead-letters/redrive', { filter: { constructor: {}, from: 5 } }, '/filter/from'], ['post', '/v1/tenants', { name: [{ constructor: [] }] }, '/name'],
  ['post', '/v1/webhooks', { url: 'http://10.9.0.1/', partner_id: 'x' }, '/partner_id'], ['post', '/v1/webhooks', { url: 'http://10.9.0.1/', partner_id: null }, '/partner_id'], ['post', '/v1/webhooks', { url: 'http://10.9.0.1/', partner_id: MISSING }, '/partner_id'], ['patch', '/v1/webhooks/{webhook}', { partner_id: MISSING }, '/partner_id'],
  ['post', '/v1/partners', {}, '/name'], ['post', '/v1/partners', { name: '' }, '/name'], ['post', '/v1/partners', { name: 'x'.repeat(201) }, '/name'], ['post', '/v1/partners', { name: 'x', contact: null }, '/contact'], ['post', '/v1/partners', { name: 'x', contact: 'x'.repeat(501) }, '/contact'],
  ...[null, [], 'x', 5, { big: 'x'.repeat(16_400) }].flatMap((metadata): [Method, string, object, string][] => [['post', '/v1/partners', { name: 'x', metadata }, '/metadata'], ['patch', '/v1/partners/{partner}', { metadata }, '/metadata']]),
  ['patch', '/v1/partners/{partner}', { name: null }, '/name'], ['patch', '/v1/partners/{partner}', { partner_id: MISSING }, '/partner_id'],
  ['post', '/v1/subscriptions', {}, '/partner_id', '/webhook_id', '/events'], ['post', '/v1/subscriptions', { partner_id: 'x', webhook_id: 5, events: ['a b'], note: null }, '/partner_id', '/webhook_id', '/events', '/note'],
  ...[null, 'a', {}, [], [5], ['a', 'a'], ['*a'], Array.from({ length: 101 }, (_, n) => `t${n}`)].map((events): [Method, string, object, string] => ['post', '/v1/subscriptions', { partner_id: MISSING, webhook_id: MISSING, events }, '/events']),
  ...[undefined, null, '', 5, 'x'.repeat(1001)].map((reason): [Method, string, object, string] => ['post', `/v1/subscriptions/${MISSING}/reject`, { reason }, '/reason']), ...[null, '', 5].map((reason): [Method, string, object, string] => ['post', `/v1/subscriptions/${MISSING}/cancel`, { reason }, '/reason']),
  ['post', '/v1/event-types', {}, '/name'], ['post', '/v1/event-types', { name: 'a b', description: 5, contains_sensitive: '/a', compatibility: 'x', schema: [] }, '/description', '/contains_sensitive', '/compatibility', '/name', '/schema'],
  ['put', '/v1/event-types/{type}', { description: null, contains_sensitive: null, compatibility: null }, '/description', '/contains_sensitive', '/compatibility'], ['put', '/v1/event-types/{type}', { contains_sensitive: ['/a', '/a'] }, '/contains_sensitive'],
  ['post', '/v1/event-types/{type}/versions', {}, '/schema'], ['post', '/v1/event-types/{type}/versions', { schema: {}, compatibility: 'some' }, '/compatibility'], ['post', '/v1/event-types/{type}/versions', { schema: { constructor: 1 } }, '/schema/constructor'], ['put', '/v1/event-types/{type}/versions/1/status', {}, '/status'],
  ['post', '/v1/event-types/import', {}, '/document'], ['post', '/v1/event-types/import', { document: 5, dry_run: 'x', schemas: { a: 1 }, compatibility: null }, '/document', '/schemas', '/compatibility', '/dry_run'],
  ['post', '/v1/tenants', {}, '/name'], ['post', '/v1/tenants', { name: null }, '/name'], ['post', '/v1/tenants', { name: { a: 1 } }, '/name'],
];

test.each(BAD_FIELDS)('%s %s with %j is refused at %s', async (method, path, body, ...pointers) => {
  await expectRefusal(method, path, body === undefined ? undefined : JSON.stringify(body), invalid(...pointers));
});

test('a value of the wrong type is one fault, not one for each rule that it breaks', async () => {
  const { body } = await house.api.post('/v1/webhooks').send({ events: '*', disable_after_hours: null }).expect(422);
  expect(body.errors).toEqual([
    { pointer: '/url', detail: 'must be a string' }, { pointer: '/events', detail: 'must be an array' }, { pointer: '/disable_after_hours', detail: 'must be an integer number' },
  ]);
});

test.each(BODIES)('%s %s: an empty body with a type, or without one, is no crash', async (method, path) => {
  for (const send of [(request: ReturnType<typeof house.api.post>) => request.set('content-type', 'application/json').send(''), (request: ReturnType<typeof house.api.post>) => request.send()]) {
    const answer = await send(house.api[method](path.replace('{webhook}', ids.webhook).replace('{partner}', ids.partner).replace('{type}', ids.type).replace('{source}', ids.source).replace('{destination}', ids.destination)));
    expect(answer.status).toBeLessThan(500);
    expect([200, 422]).toContain(answer.status);
  }
});
