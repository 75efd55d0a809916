import { expect, test } from 'vitest';
import { cpuMs } from '../support/cpu.js';
import { givenTenant } from '../support/given.js';
import { type Api, useHouse } from '../support/house.js';

const house = useHouse();

const OPENAPI = `
openapi: 3.1.0
info: { title: Shop, version: "1" }
webhooks:
  order.created:
    post:
      summary: An order came in.
      requestBody:
        content:
          application/json:
            schema: { $ref: '#/components/schemas/Order' }
  order.odd name:
    post: { requestBody: { content: { application/json: { schema: { type: object } } } } }
  order.xml:
    post: { requestBody: { content: { application/xml: { schema: { type: object } } } } }
  order.far:
    post: { requestBody: { content: { application/json: { schema: { $ref: 'other.yaml#/Order' } } } } }
  order.old:
    post: { requestBody: { content: { application/json: { schema: { type: object, properties: { a: { type: string, nullable: true } } } } } } }
components:
  schemas:
    Order:
      type: object
      required: [id]
      example: { id: 1 }
      properties:
        id: { type: string, format: order-id }
        parent: { $ref: '#/components/schemas/Order' }
        lines: { type: array, items: { $ref: '#/components/schemas/Line' } }
    Line: { type: object, properties: { sku: { type: string } }, x-internal: true }
`;
const ORDER = {
  $ref: '#/$defs/Order', $defs: {
    Order: { type: 'object', required: ['id'], properties: { id: { type: 'string' }, parent: { $ref: '#/$defs/Order' }, lines: { type: 'array', items: { $ref: '#/$defs/Line' } } } },
    Line: { type: 'object', properties: { sku: { type: 'string' } } },
  },
};

const givenApi = async (): Promise<Api> => house.as(await givenTenant(house));
const send = (api: Api, document: unknown, more: object = {}) => api.post('/v1/event-types/import').send({ document, ...more });

test('the webhooks of an OpenAPI document become types, what they refer to comes with them, and what cannot be taken is named with its place', async () => {
  const api = await givenApi();
  const { body } = await send(api, OPENAPI, { schemas: { Line: 'line.changed', Gone: 'line.gone' } }).expect(200);
  expect(body.data).toEqual([
    { name: 'order.created', action: 'created', version: 1, pointer: '/webhooks/order.created/post/requestBody/content/application~1json/schema' },
    { name: 'line.changed', action: 'created', version: 1, pointer: '/components/schemas/Line' },
  ]);
  expect(body.refused).toEqual([
    { pointer: expect.stringContaining('/webhooks/order.odd name/'), detail: 'has a name that is no event type: "order.odd name"' },
    { pointer: '/webhooks/order.xml', detail: 'has no JSON request body with a schema' },
    { pointer: expect.stringContaining('/webhooks/order.far/'), detail: 'refers to "other.yaml#/Order", which is not in this document' },
    { pointer: '/components/schemas/Gone', detail: 'is not there' },
    { pointer: expect.stringContaining('/webhooks/order.old/'), detail: expect.stringMatching(/^order\.old: \/properties\/a\/nullable is not a keyword/) },
  ]);
  expect((await api.get('/v1/event-types/order.created').expect(200)).body).toMatchObject({ description: 'An order came in.', schema: ORDER });
  expect((await api.post('/v1/events').send({ event_type: 'order.created', data: { id: 'x', parent: { lines: [] } } }).expect(422)).body.errors).toEqual([{ pointer: '/data/parent/id', detail: 'is missing' }]);
});

test('imported again it changes nothing; changed, it makes versions, unless they break what they have to keep', async () => {
  const api = await givenApi();
  await send(api, OPENAPI).expect(200);
  expect((await send(api, OPENAPI).expect(200)).body.data).toMatchObject([{ name: 'order.created', action: 'unchanged', version: 1 }]);
  const wider = OPENAPI.replace('required: [id]', 'description: all of it');
  expect((await send(api, wider, { dry_run: true }).expect(200)).body.data).toMatchObject([{ action: 'version_created', version: 2 }]);
  expect((await send(api, wider).expect(200)).body.data).toMatchObject([{ action: 'version_created', version: 2 }]);
  const { data, refused } = (await send(api, OPENAPI).expect(200)).body;
  expect(data).toEqual([]);
  expect(refused).toContainEqual({ pointer: expect.stringContaining('/webhooks/order.created/'), detail: 'order.created: /$defs/Order/required is not backward compatible at /id: the new schema requires it, version 2 does not' });
  expect((await send(api, OPENAPI, { compatibility: 'none' }).expect(200)).body.data).toMatchObject([{ version: 3 }]);
});

test('a dry run says what it would do, and does nothing', async () => {
  const api = await givenApi();
  const dry = (await send(api, OPENAPI, { dry_run: true }).expect(200)).body;
  expect(dry).toMatchObject({ dry_run: true, data: [{ name: 'order.created', action: 'created' }] });
  await api.get('/v1/event-types/order.created').expect(404);
  expect((await api.get('/v1/audit-log').expect(200)).body.data).toEqual([]);
  expect((await send(api, OPENAPI).expect(200)).body).toEqual({ ...dry, dry_run: false });
});

test('the messages of AsyncAPI 2 and 3 documents become types, by name, in the draft that they are written in', async () => {
  const payload = { type: 'object', properties: { pair: { type: 'array', items: [{ type: 'string' }, { type: 'number' }], additionalItems: false }, at: { $ref: '#/components/schemas/At' } } };
  const components = { schemas: { At: { type: 'string', format: 'date-time' } }, messages: { signedUp: { name: 'user.signed_up', title: 'Somebody signed up.', payload }, unused: { payload: { type: 'object' } }, binary: { schemaFormat: 'application/vnd.apache.avro;version=1.9.0', payload: 'x' } } };
  const two = { asyncapi: '2.6.0', channels: { users: { subscribe: { message: { oneOf: [{ $ref: '#/components/messages/signedUp' }, { messageId: 'user.left', payload: { type: 'object' } }] } } } }, components };
  const three = { asyncapi: '3.0.0', channels: { users: { address: 'u', messages: { signedUp: { $ref: '#/components/messages/signedUp' }, 'user.left': { payload: { schemaFormat: 'application/schema+json;version=draft-07', schema: { type: 'object' } } } } } }, components };
  for (const document of [two, three]) {
    const api = await givenApi();
    const { data, refused } = (await send(api, document).expect(200)).body;
    expect(data.map(({ name }: { name: string }) => name)).toEqual(['user.signed_up', 'user.left', 'unused']);
    expect(refused).toEqual([{ pointer: '/components/messages/binary', detail: 'is described in application/vnd.apache.avro;version=1.9.0, which is not read here' }]);
    expect((await api.get('/v1/event-types/user.signed_up').expect(200)).body).toMatchObject({
      description: 'Somebody signed up.', schema: { properties: { pair: { type: 'array', prefixItems: [{ type: 'string' }, { type: 'number' }], items: false }, at: { $ref: '#/$defs/At' } }, $defs: { At: { format: 'date-time' } } },
    });
  }
});

test.each<[what: string, document: unknown, detail: RegExp]>([
  ['nothing of the kind', 'just text', /must be an OpenAPI/], ['broken YAML', 'a: [', /is neither JSON nor YAML/], ['a bomb of aliases', ['a: &a [x,x,x,x,x,x,x,x,x,x]', ...Array.from({ length: 8 }, (_, n) => `${'bcdefghi'[n]}: &${'bcdefghi'[n]} [${Array.from({ length: 10 }, () => `*${'abcdefgh'[n]}`).join(',')}]`)].join('\n'), /./],
  ['aliases of large parts', `a: &a "${'x'.repeat(200_000)}"\nb: [${Array.from({ length: 50 }, () => '*a').join(',')}]`, /is too large/], ['a circle of aliases', 'a: &a [*a]', /./], ['a tower', '['.repeat(20_000), /./], ['a deep one', `${'{"a":'.repeat(70)}1${'}'.repeat(70)}`, /nested more than 64/],
  ['the key of prototypes', '{"openapi":"3.1.0","__proto__":{"x":1}}', /__proto__/], ['too much', 'x'.repeat(1_100_000), /at most/],
])('a document that is %s is refused, quickly', async (_, document, detail) => {
  const started = cpuMs();
  const { body } = await send(house.api, document).expect(422);
  expect(body.errors).toEqual([{ pointer: '/document', detail: expect.stringMatching(detail) }]);
  expect(cpuMs() - started).toBeLessThan(5_000);
});

const refusedOf = async (document: object) => (await send(house.api, document).expect(200)).body.refused;

test('documents of other kinds are named, and built-in types are left alone', async () => {
  expect(await refusedOf({ openapi: '3.0.3', webhooks: {} })).toEqual([{ pointer: '/openapi', detail: expect.stringContaining('must be 3.1') }]);
  expect(await refusedOf({ asyncapi: '1.0.0' })).toEqual([{ pointer: '/asyncapi', detail: 'must be 2 or 3' }]);
  expect(await refusedOf({ swagger: '2.0' })).toEqual([{ pointer: '', detail: 'is neither OpenAPI 3.1 nor AsyncAPI 2 or 3' }]);
  expect(await refusedOf({ openapi: '3.1.0', webhooks: { 'webhook.disabled': { post: { requestBody: { content: { 'application/json': { schema: {} } } } } } } })).toEqual([{ pointer: expect.any(String), detail: expect.stringContaining('is built in') }]);
});

test('a type that cannot be taken, because it has as many versions as there may be, is left as it was', async () => {
  await house.api.post('/v1/event-types').send({ name: 'order.full', schema: {} }).expect(201);
  await house.sql("INSERT INTO event_type_versions (tenant_id, name, version, schema, status, compatibility, created_at) SELECT tenant_id, name, n, '{}', 'INACTIVE', 'none', now() FROM event_types, generate_series(2, 200) n WHERE name = 'order.full'");
  await house.api.delete('/v1/event-types/order.full').expect(204);
  const document = `{"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "webhooks": {"order.full": {"post": {"requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}}}}}}`;
  const { body } = await house.api.post('/v1/event-types/import').send({ document }).expect(200);
  expect(body).toMatchObject({ data: [], refused: [{ detail: expect.stringContaining('200 versions') }] });
  expect((await house.api.get('/v1/event-types/order.full').expect(200)).body.archived_at).not.toBe(null);
});
