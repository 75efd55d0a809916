import { beforeAll, expect, test } from 'vitest';
import { givenEvent, givenTenant, givenWebhook } from '../support/given.js';
import { useHouse } from '../support/house.js';

const house = useHouse();
const MISSING = '018f4e2a-0000-7abc-8def-0123456789ab';
let webhook = '';
let foreign = '';

beforeAll(async () => {
  webhook = (await givenWebhook(house, 'http://127.0.0.1:9/')).webhook_id;
  foreign = (await givenWebhook({ ...house, api: house.as(await givenTenant(house)) }, 'http://127.0.0.1:9/')).webhook_id;
  await givenEvent(house, 'bad.query');
});

const cursor = (position: unknown): string => Buffer.from(JSON.stringify(position)).toString('base64url');
const NOW = '2026-01-01T00:00:00.000Z';

const LISTS = ['/v1/events', '/v1/webhooks', '/v1/webhooks/{webhook}/deliveries', '/v1/deliveries', '/v1/dead-letters', '/v1/resends', '/v1/api-keys', '/v1/audit-log', '/v1/partners', '/v1/subscriptions', '/v1/event-types'];
const TIMED = LISTS.filter((path) => !['/v1/webhooks', '/v1/resends', '/v1/api-keys', '/v1/partners', '/v1/subscriptions', '/v1/event-types'].includes(path));
const TYPED = TIMED.filter((path) => path !== '/v1/audit-log');

const CASES: [path: string, query: string, ...names: string[]][] = [
  ...LISTS.flatMap((path) => [
    ...['0', '201', '-1', 'abc', '', '1.5', '1e1', '0x10', '99999999999999999999', '%00', 'NaN'].map((limit): [string, string, string] => [path, `limit=${limit}`, 'limit']),
    [path, 'limit=1&limit=2', 'limit'], [path, 'limit[]=1', 'limit[]'], [path, 'huh=1', 'huh'], [path, 'huh=1&Limit=2', 'huh', 'Limit'], [path, 'constructor=1', 'constructor'],
    ...['', 'x', '%00', 'bm9uc2Vuc2U', 'W10', cursor(null), cursor({}), cursor([NOW]), cursor([NOW, 5]), cursor(['yesterday', MISSING]), cursor([NOW, MISSING, 1]), cursor([NOW, 'x'.repeat(300)]), cursor([NOW, 'a\0b']), cursor(['+275760-09-13T00:00:00.000Z', MISSING]), cursor(['-000001-01-01T00:00:00.000Z', MISSING]),
      ...(path === '/v1/events' || path === '/v1/event-types' ? [] : [cursor([NOW, 'an-event-id']), cursor([NOW, ''])])].map((text): [string, string, string] => [path, `cursor=${text}`, 'cursor']),
    [path, `cursor=${cursor([NOW, MISSING])}&cursor=${cursor([NOW, MISSING])}`, 'cursor'], [path, `cursor=${'x'.repeat(1025)}`, 'cursor'],
  ] as [string, string, ...string[]][]),
  ...TIMED.flatMap((path) => ['from', 'to'].flatMap((name) => ['yesterday', '2026-01-01', '1700000000', '', '2026-02-31T00:00:00Z', '2026-13-01T00:00:00Z', '2026-01-01T23:59:60Z', '0000-01-01T00:00:00Z', '%00', '9999-12-31T23:59:59-10:00'].map((time): [string, string, string] => [path, `${name}=${time}`, name]))),
  ...TIMED.map((path): [string, string, string] => [path, `from=${NOW}&from=${NOW}`, 'from']),
  ...TYPED.flatMap((path) => ['event_type=a&event_type=b', 'event_type=%00', `event_type=${'x'.repeat(256)}`].map((query): [string, string, string] => [path, query, 'event_type'])),
  ...['/v1/deliveries', '/v1/webhooks/{webhook}/deliveries'].flatMap((path) => ['status=done', 'status=', 'status=dead&status=dead', 'status=dead%0A'].map((query): [string, string, string] => [path, query, 'status'])),
  ...['/v1/deliveries', '/v1/dead-letters', '/v1/subscriptions'].flatMap((path) => ['webhook_id=x', 'webhook_id=', `webhook_id=${MISSING}&webhook_id=${MISSING}`, `webhook_id={${MISSING}}`].map((query): [string, string, string] => [path, query, 'webhook_id'])),
  ['/v1/deliveries', 'event_id=%00', 'event_id'], ['/v1/deliveries', 'event_id=a&event_id=b', 'event_id'], ['/v1/deliveries', `event_id=${'x'.repeat(201)}`, 'event_id'],
  ...['tenant_id', 'kid'].flatMap((name) => [`${name}=x`, `${name}=`, `${name}=${MISSING}&${name}=${MISSING}`, `${name}=%00`].map((query): [string, string, string] => ['/.well-known/webhooks-jwks.json', query, name])), ['/.well-known/webhooks-jwks.json', 'huh=1', 'huh'],
  ['/v1/dead-letters', 'event_id=%00', 'event_id'], ['/v1/dead-letters', `error_class=${'x'.repeat(101)}`, 'error_class'], ['/v1/dead-letters/summary', 'from=x&webhook_id=y&huh=1', 'huh', 'webhook_id', 'from'],
  ['/v1/resends', 'status=done', 'status'], ['/v1/resends', 'status=', 'status'], ['/v1/resends', 'kind=retry', 'kind'], ['/v1/resends', 'kind=redrive&kind=replay', 'kind'],
  ['/v1/subscriptions', 'status=done', 'status'], ['/v1/subscriptions', 'partner_id=x', 'partner_id'], ['/v1/audit-log', 'action=%00', 'action'], ['/v1/audit-log', `subject_id=${'x'.repeat(201)}`, 'subject_id'],
  ...['1', '', 'yes', 'true&archived=true'].map((archived): [string, string, string] => ['/v1/event-types', `archived=${archived}`, 'archived']),
  ['/v1/events', 'source_id=x', 'source_id'], ['/v1/events', 'metadata.a=1&metadata.a=2', 'metadata.a'], ['/v1/events', 'metadata.a=%00', 'metadata.a'], ['/v1/events', 'metadata=1', 'metadata'],
];

test.each(CASES)('GET %s?%s is refused at %s', async (path, query, ...names) => {
  const answer = await house.api.get(`${path.replace('{webhook}', webhook)}?${query.replaceAll('{', '%7B').replaceAll('}', '%7D')}`);
  expect({ status: answer.status, code: answer.body.code }).toEqual({ status: 422, code: 'invalid' });
  expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
  expect([...new Set((answer.body.errors as { pointer: string }[]).map(({ pointer }) => pointer))]).toEqual(names.map((name) => `?${name}`));
  expect(answer.body.instance).not.toContain('?');
});

const ODD_IDS = [MISSING, 'x', '0', '%20', '%2e%2e%2f', "'--", MISSING.slice(1), `${MISSING}0`, `{${MISSING}}`, MISSING.replaceAll('-', ''), '%00', '%F0%9F%8E%89', 'x'.repeat(300), 'ffffffff-ffff-7fff-bfff-ffffffffffff', '00000000-0000-0000-0000-000000000000'];
const WITH_ID: ['get' | 'post' | 'put' | 'patch' | 'delete', string, object?][] = [
  ['get', '/v1/events/{id}'], ['get', '/v1/webhooks/{id}'], ['put', '/v1/webhooks/{id}', { url: 'http://127.0.0.1:9/' }], ['patch', '/v1/webhooks/{id}', {}], ['delete', '/v1/webhooks/{id}'], ['post', '/v1/webhooks/{id}/test', {}],
  ['post', '/v1/webhooks/{id}/rotate-secret', {}], ['get', '/v1/webhooks/{id}/secrets'], ['delete', `/v1/webhooks/{id}/secrets/${MISSING}`], ['delete', '/v1/webhooks/{webhook}/secrets/{id}'], ['get', '/v1/webhooks/{id}/deliveries'], ['get', '/v1/deliveries/{id}'], ['post', '/v1/deliveries/{id}/retry'], ['get', '/v1/dead-letters/{id}'], ['get', '/v1/resends/{id}'], ['post', '/v1/resends/{id}/cancel'],
  ['post', '/v1/webhooks/{id}/replay', { from: '2026-01-01T00:00:00Z' }], ['post', '/v1/webhooks/{id}/recover', { since: '2026-01-01T00:00:00Z' }], ['delete', '/v1/api-keys/{id}'],
  ['get', '/v1/partners/{id}'], ['patch', '/v1/partners/{id}', {}], ['delete', '/v1/partners/{id}'], ['get', '/v1/subscriptions/{id}'], ['post', '/v1/subscriptions/{id}/approve'], ['post', '/v1/subscriptions/{id}/reject', { reason: 'x' }], ['post', '/v1/subscriptions/{id}/cancel'],
];

test.each(WITH_ID)('%s %s with an id that names nothing is 404', async (method, path, body) => {
  for (const id of [...ODD_IDS, foreign]) {
    const answer = await house.api[method](path.replace('{webhook}', webhook).replace('{id}', encodeURI(id).replaceAll('%25', '%'))).send(body);
    expect({ id, status: answer.status, code: answer.body.code }).toEqual({ id, status: 404, code: 'not_found' });
    expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
  }
});

test.each(['/v1/events/%', '/v1/events/%zz', '/v1/webhooks/%ff', '/v1/deliveries/%c3%28'])('GET %s: a malformed percent-encoding is 400', async (path) => {
  const answer = await house.api.get(path).expect(400).expect('content-type', /^application\/problem\+json/);
  expect(answer.body).toMatchObject({ code: 'unreadable_request', status: 400 });
});

test.each(['/', '/v1', '/v1/', '/v1/nothing', '/v2/events', '/v1/events/a/b', '/.env', '/v1/webhooks/../../etc/passwd', '//v1/events', '/API/webhooks'])('GET %s is 404', async (path) => {
  const answer = await house.api.get(path).expect(404).expect('content-type', /^application\/problem\+json/);
  expect(answer.body).toMatchObject({ code: 'not_found', status: 404 });
});

test('a path longer than any id is 404 and a header too large is refused', async () => {
  expect((await house.api.get(`/v1/events/${'x'.repeat(2_000)}`)).status).toBe(404);
  const { status } = await house.api.get('/v1/events').set('x-large', 'x'.repeat(20_000));
  expect(status).toBe(431);
});

test.each(['', 'Bearer', 'Bearer ', 'Basic abc', 'Bearer a b', 'bearer nonsense', `Bearer lh_live_${'0'.repeat(32)}_${'0'.repeat(38)}`, `Bearer ${'x'.repeat(5_000)}`, 'Bearer \u00fc'])('the authorization %.40j is 401', async (authorization) => {
  const answer = await house.as().get('/v1/events').set('authorization', authorization).expect(401).expect('content-type', /^application\/problem\+json/);
  expect(answer.body).toMatchObject({ code: 'unauthenticated' });
});
