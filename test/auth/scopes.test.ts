import { beforeAll, expect, test } from 'vitest';
import { SCOPES } from '../../src/auth/scopes.js';
import { deliveryOf, givenEvent, givenTenant, givenWebhook } from '../support/given.js';
import { type Api, useHouse } from '../support/house.js';
import { givenSource } from '../support/provider.js';
import { useReceiver } from '../support/receiver.js';

const house = useHouse();
const receiver = useReceiver();

interface Route { method: keyof Api; path: string }
let routes: Route[] = [];
let open: string[] = [];
const apis = new Map<string, Api>();
const MISSING = '018f4e2a-0000-7abc-8def-0123456789ab';

beforeAll(async () => {
  const { paths } = (await house.as().get('/openapi.json').expect(200)).body as { paths: Record<string, Record<string, { security?: unknown[] }>> };
  routes = Object.entries(paths).flatMap(([path, operations]) => Object.entries(operations).filter(([, { security }]) => security).map(([method]) => ({ method: method as keyof Api, path })));
  open = Object.entries(paths).flatMap(([path, operations]) => Object.entries(operations).filter(([, { security }]) => !security).map(([method]) => `${method} ${path}`));
  for (const scope of SCOPES) {
    apis.set(scope, house.as((await house.api.post('/v1/api-keys').send({ name: scope, scopes: [scope] }).expect(201)).body.key));
  }
});

const ask = (api: Api, { method, path }: Route, id = MISSING) => api[method](path.replace(/\{\w+\}/, id)).send(method === 'get' || method === 'delete' ? undefined : {});

/** A body that is not refused before the id is looked up. */
function goodBody({ method, path }: Route): object | undefined {
  if (method === 'get' || method === 'delete') return undefined;
  if (path.endsWith('/reject')) return { reason: 'x' };
  if (path.endsWith('/replay')) return { from: '2026-01-01T00:00:00Z', dry_run: true };
  if (path.endsWith('/recover')) return { since: '2026-01-01T00:00:00Z', dry_run: true };
  if (path.endsWith('/versions')) return { schema: {} };
  if (path.endsWith('/status')) return { status: 'ACTIVE' };
  if (path.includes('/event-types/')) return {};
  if (path.endsWith('/filter/test')) return { event: { event_type: 'a', data: {} } };
  if (path.endsWith('/schedules/{schedule_id}') && method === 'put') return { name: 'x', cadence: 'daily', export: { dataset: 'events', format: 'json' } };
  if (path.endsWith('/sources/{source_id}') && method === 'put') return { name: 'x', provider: 'none' };
  if (path.endsWith('/sources/{source_id}/rotate-secret')) return { secret: 'x' };
  if (path.endsWith('/destinations/{destination_id}') && method === 'put') return { name: 'x', type: 'disk' };
  return method === 'put' ? { url: 'http://127.0.0.1:9/' } : {};
}

test('the document lists every route of the house', () => {
  expect(routes.length).toBeGreaterThanOrEqual(20);
  for (const path of ['/v1/events', '/v1/webhooks/{webhook_id}', '/v1/dead-letters/redrive', '/v1/api-keys/{key_id}', '/v1/tenants']) expect(routes.map((route) => route.path)).toContain(path);
});

test('only the public keys, and the URLs that providers post to, need no key', async () => {
  expect(open).toEqual(['post /in/{token}', 'get /.well-known/webhooks-jwks.json']);
  await house.as().get('/.well-known/webhooks-jwks.json').expect(200);
});

test('without a key every other route is 401, with a key in either header it is not', async () => {
  const { key } = (await house.api.post('/v1/api-keys').send({ name: 'either', scopes: ['events:read'] }).expect(201)).body;
  for (const route of routes) {
    const answer = await ask(house.as(), route);
    expect([route, answer.status, answer.body.code]).toEqual([route, 401, 'unauthenticated']);
    expect((await ask(house.as(), route).set('x-api-key', key)).status, JSON.stringify(route)).not.toBe(401);
  }
});

test('every route wants exactly one scope: reading for what changes nothing, approving for decisions, writing for all else; `*` has it too, but for what is the operator\'s', async () => {
  for (const route of routes) {
    const answers = await Promise.all([...apis].map(async ([scope, api]) => {
      const { status, body } = await ask(api, route);
      return { scope, status, body };
    }));
    for (const { status, body } of answers) {
      expect(status).not.toBe(401);
      if (status === 403) expect(body).toMatchObject({ code: 'forbidden', detail: expect.stringMatching(/scope \S+:(read|write|approve)/) });
    }
    const passing = answers.filter(({ status }) => status !== 403).map(({ scope }) => scope);
    const isOperators = /^\/v1\/(tenants|operations)/.test(route.path);
    const [star, scope] = isOperators ? ['*', ...passing] : passing;
    const what = `${route.method} ${route.path}`;
    expect(passing, what).toHaveLength(isOperators ? 1 : 2);
    // Trying a filter or a format out, or proposing a schema, changes nothing.
    const reads = route.method === 'get' || /\/(filter\/test|preview|infer)$/.test(route.path);
    expect([star, scope!.split(':')[1]], what).toEqual(['*', /\/(approve|reject)$/.test(route.path) ? 'approve' : reads ? 'read' : 'write']);
  }
}, 120_000);

test('what belongs to another tenant is 404 on every route that names it, and is left as it was', async () => {
  const other = { ...house, api: house.as(await givenTenant(house)) };
  const { webhook_id } = await givenWebhook(other, `${receiver.url}/theirs`, { events: ['theirs'] });
  const event_id = await givenEvent(other, 'theirs', { private: true });
  const { delivery_id } = await deliveryOf(other, event_id, 'succeeded');
  const key = (await other.api.post('/v1/api-keys').send({ name: 'theirs' }).expect(201)).body;
  const { partner_id } = (await other.api.post('/v1/partners').send({ name: 'theirs' }).expect(201)).body;
  const { subscription_id } = (await other.api.post('/v1/subscriptions').send({ partner_id, webhook_id, events: ['theirs'] }).expect(201)).body;
  const { source_id } = await givenSource(other);
  const { destination_id } = (await other.api.post('/v1/datalake/destinations').send({ name: 'theirs', type: 'disk' }).expect(201)).body;
  const { resend_id } = (await other.api.post(`/v1/webhooks/${webhook_id}/replay`).send({ event_ids: [event_id] }).expect(202)).body;
  const { export_id } = (await other.api.post('/v1/datalake/exports').send({ dataset: 'events', format: 'json', from: '2026-01-01', to: '2026-01-02' }).expect(202)).body;
  await other.api.post('/v1/event-types').send({ name: 'theirs.only', schema: {} }).expect(201);
  await receiver.received(2, '/theirs');
  const foreign: Record<string, string> = { name: 'theirs.only', source_id, destination_id, export_id, resend_id, partner_id, subscription_id, webhook_id, event_id, delivery_id, key_id: key.key_id };
  const before = (await other.api.get(`/v1/webhooks/${webhook_id}`).expect(200)).body;

  const named = routes.filter(({ path }) => path.includes('{') && !path.startsWith('/v1/operations/') && !path.endsWith('/infer'));
  expect(named.length).toBeGreaterThanOrEqual(11);
  foreign.schedule_id = (await other.api.post('/v1/datalake/schedules').send({ name: 'theirs', cadence: 'daily', export: { dataset: 'events', format: 'json' } }).expect(201)).body.schedule_id;
  for (const route of named) {
    const id = foreign[/\{(\w+)\}/.exec(route.path)![1]!];
    expect(id, route.path).toBeDefined();
    const answer = await house.api[route.method](route.path.replace(/\{\w+\}/, id!).replace('{version}', '1') + (route.path.endsWith('/ddl') ? '?engine=duckdb' : '')).send(goodBody(route));
    expect([route, answer.status, answer.body.code]).toEqual([route, 404, 'not_found']);
  }
  expect((await other.api.get(`/v1/webhooks/${webhook_id}`).expect(200)).body).toEqual(before);
  expect((await other.api.get(`/v1/subscriptions/${subscription_id}`).expect(200)).body.status).toBe('pending');
  expect((await other.api.get(`/v1/partners/${partner_id}`).expect(200)).body.name).toBe('theirs');
  await house.as(key.key).get('/v1/events').expect(200);
  expect(receiver.requests).toHaveLength(2);
});

test('lists show nothing of another tenant', async () => {
  const api = house.as(await givenTenant(house));
  for (const { path } of routes.filter((route) => route.method === 'get' && !route.path.includes('{') && !route.path.startsWith('/v1/operations/') && !['/v1/api-keys', '/v1/audit-log/verify', '/v1/dead-letters/summary', '/v1/event-types', '/v1/datalake/datasets'].includes(route.path))) {
    expect((await api.get(path).expect(200)).body, path).toEqual({ data: [], next_cursor: null });
  }
  expect((await api.get('/v1/api-keys').expect(200)).body.data).toHaveLength(1);
  expect((await api.get('/v1/event-types').expect(200)).body.data.every(({ built_in }: { built_in: boolean }) => built_in)).toBe(true);
  expect((await api.get('/v1/dead-letters/summary').expect(200)).body).toEqual({ total_count: 0, data: [] });
});
