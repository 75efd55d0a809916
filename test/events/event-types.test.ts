import { expect, test } from 'vitest';
import { exampleOf } from '../../src/delivery/shapes/examples.js';
import { compileSchema } from '../../src/events/schemas/compile.js';
import { BUILT_INS } from '../../src/events/types/built-ins.js';
import { cpuMs } from '../support/cpu.js';
import { eventually } from '../support/eventually.js';
import { givenEvent, givenTenant, givenWebhook } from '../support/given.js';
import { type House, useHouse, useNeighbour } from '../support/house.js';
import { useReceiver } from '../support/receiver.js';

const house = useHouse();
const neighbour = useNeighbour(house, { STRICT_EVENT_TYPES: 'true' });
const receiver = useReceiver();

const ORDER = { type: 'object', properties: { id: { type: 'string' }, amount: { type: 'number', minimum: 0 } }, required: ['id'], additionalProperties: false };
let count = 0;

/** A registered type with a name of its own. */
async function givenType(more: Record<string, unknown> = {}, through: Pick<House, 'api'> = house): Promise<string> {
  const name = `order.created-${++count}`;
  await through.api.post('/v1/event-types').send({ name, schema: ORDER, ...more }).expect(201);
  return name;
}

const versions = (name: string) => house.api.post(`/v1/event-types/${name}/versions`);
const publish = (event_type: string, data: unknown, through: Pick<House, 'api'> = house) => through.api.post('/v1/events').send({ event_type, data });

test('a type is registered, read, listed by name among the built-in ones, changed, archived and registered again', async () => {
  const name = await givenType({ description: 'An order came in.', contains_sensitive: ['/id'] });
  const { body } = await house.api.get(`/v1/event-types/${name}`).expect(200);
  expect(body).toEqual({ name, description: 'An order came in.', built_in: false, contains_sensitive: ['/id'], compatibility: 'backward', version: 1, schema: ORDER, created_at: expect.any(String), updated_at: expect.any(String), archived_at: null });
  const changed = (await house.api.put(`/v1/event-types/${name}`).send({ description: 'x', compatibility: 'full' }).expect(200)).body;
  expect(changed).toMatchObject({ description: 'x', contains_sensitive: [], compatibility: 'full', version: 1, schema: ORDER });
  await house.api.post('/v1/event-types').send({ name }).expect(409);
  await house.api.delete(`/v1/event-types/${name}`).expect(204);
  expect((await house.api.get(`/v1/event-types/${name}`).expect(200)).body).toMatchObject({ version: null, schema: null, archived_at: expect.any(String) });
  for (const refused of [house.api.put(`/v1/event-types/${name}`).send({}), house.api.delete(`/v1/event-types/${name}`), versions(name).send({ schema: {} })]) await refused.expect(409);
  await publish(name, { anything: true }).expect(202);
  expect((await house.api.post('/v1/event-types').send({ name, schema: ORDER }).expect(201)).body).toMatchObject({ version: 2, archived_at: null });
  expect((await house.api.get(`/v1/event-types/${name}/versions`).expect(200)).body.data).toMatchObject([{ version: 2, status: 'ACTIVE' }, { version: 1, status: 'INACTIVE' }]);
});

test('pages of the list hold every type once, in the order of their names', async () => {
  const other = { api: house.as(await givenTenant(house)) };
  const own = ['Zebra', 'a.b', 'forecast', 'webhook', 'zz/top'];
  for (const name of own) await other.api.post('/v1/event-types').send({ name }).expect(201);
  await other.api.delete('/v1/event-types/forecast').expect(204);
  const names: string[] = [];
  for (let cursor = ''; ; ) {
    const { body } = await other.api.get(`/v1/event-types?limit=3${cursor}`).expect(200);
    names.push(...(body.data as { name: string }[]).map(({ name }) => name));
    if (body.next_cursor === null) break;
    cursor = `&cursor=${body.next_cursor}`;
  }
  expect(names).toEqual([...own.filter((name) => name !== 'forecast'), ...BUILT_INS.keys()].sort((a, b) => (a < b ? -1 : 1)));
  expect((await other.api.get('/v1/event-types?archived=true&limit=200').expect(200)).body.data.map(({ name }: { name: string }) => name)).toContain('forecast');
  expect((await other.api.get('/v1/event-types/zz%2Ftop').expect(200)).body.name).toBe('zz/top');
});

test('built-in types can be read and belong to nobody', async () => {
  expect((await house.api.get('/v1/event-types/webhook.disabled').expect(200)).body).toMatchObject({ built_in: true, schema: { required: ['webhook_id', 'reason'] } });
  expect((await house.api.get('/v1/event-types/webhook.disabled/versions').expect(200)).body).toEqual({ data: [], next_cursor: null });
  await house.api.post('/v1/event-types').send({ name: 'webhook.disabled' }).expect(409);
  await house.api.put('/v1/event-types/anomaly_detected').send({}).expect(409);
  await house.api.delete('/v1/event-types/anomaly_detected').expect(409);
  await versions('anomaly_detected').send({ schema: {} }).expect(409);
});

test.each([...BUILT_INS.values()].filter(({ name }) => !name.startsWith('subscription.')))('the example of $name meets its schema', ({ name, schema }) => {
  expect(compileSchema(schema as never).faultsOf(JSON.parse(exampleOf(name, Date.now())))).toEqual([]);
});

test('data that its type’s schema refuses is a 422 that names each place, and nothing is stored', async () => {
  const name = await givenType();
  const { body } = await publish(name, { amount: -1, 'a/b': 1 }).expect(422);
  expect(body.errors).toEqual(expect.arrayContaining([
    { pointer: '/data/id', detail: 'is missing' }, { pointer: '/data/a~1b', detail: 'is not known to the schema' }, { pointer: '/data/amount', detail: 'must be >= 0' },
  ]));
  expect(body.errors).toHaveLength(3);
  expect((await house.api.get(`/v1/events?event_type=${name}`).expect(200)).body.data).toEqual([]);
  await publish(name, { id: 'x' }).expect(202);
});

test('in a batch it is answered in its place, and the others are stored', async () => {
  const name = await givenType();
  const { body } = await house.api.post('/v1/events').send({ events: [{ event_type: name, data: { id: '1' } }, { event_type: name, data: { id: 1 } }, { event_type: 'of.nobody', data: { id: 1 } }, 7, { event_type: name }] }).expect(202);
  expect(body.data).toEqual([
    { event_id: expect.any(String), duplicate: false }, { index: 1, error: expect.objectContaining({ status: 422, errors: [{ pointer: '/data/id', detail: 'must be string' }] }) },
    { event_id: expect.any(String), duplicate: false }, { index: 3, error: expect.anything() }, { index: 4, error: expect.anything() },
  ]);
});

test('an answer names at most twenty places, and says nothing of what stood there', async () => {
  const name = await givenType({ schema: { type: 'object', additionalProperties: { type: 'integer' } } });
  const { body } = await publish(name, Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`n${n}`, 'planted-value']))).expect(422);
  expect(body.errors).toHaveLength(20);
  expect(JSON.stringify(body)).not.toContain('planted-value');
});

test('a change is in force at once here and within a second in another process', async () => {
  const name = await givenType({ schema: undefined });
  await publish(name, {}).expect(202);
  await publish(name, {}, neighbour).expect(202);
  await versions(name).send({ schema: ORDER }).expect(201);
  await publish(name, {}).expect(422);
  const since = Date.now();
  await eventually('the other process to see the schema', async () => (await publish(name, {}, neighbour)).status === 422);
  expect(Date.now() - since).toBeLessThan(3_000);
});

test('the newest ACTIVE version is in force', async () => {
  const name = await givenType({ compatibility: 'none' });
  await versions(name).send({ schema: { type: 'object', required: ['second'] } }).expect(201);
  await publish(name, { id: 'x' }).expect(422);
  const status = (version: number | string, value: string) => house.api.put(`/v1/event-types/${name}/versions/${version}/status`).send({ status: value });
  expect((await status(2, 'INACTIVE').expect(200)).body).toMatchObject({ version: 2, status: 'INACTIVE' });
  await publish(name, { id: 'x' }).expect(202);
  await status(1, 'INACTIVE').expect(200);
  await publish(name, { nothing: 'holds' }).expect(202);
  await status(2, 'ACTIVE').expect(200);
  await publish(name, {}).expect(422);
  for (const version of [3, 0, 'x', '1.0', '99999999999999999999']) await status(version, 'ACTIVE').expect(404);
  await status(1, 'active').expect(422);
});

test('a version that breaks what it has to keep is refused, naming the place and why', async () => {
  const name = await givenType();
  const { body } = await versions(name).send({ schema: { ...ORDER, properties: { id: { type: 'integer' } }, required: ['id', 'amount'] } }).expect(422);
  expect(body.errors).toEqual([
    { pointer: '/schema/required', detail: 'is not backward compatible at /amount: the new schema requires it, version 1 does not' },
    { pointer: '/schema/properties/id', detail: 'is not backward compatible at /id: the new schema allows no string here' },
    { pointer: '/schema/additionalProperties', detail: 'is not backward compatible at /amount: the new schema does not know it and allows no other properties, version 1 does' },
  ]);
  const wider = { ...ORDER, properties: { ...ORDER.properties, note: { type: 'string' } } };
  expect((await versions(name).send({ schema: wider, compatibility: 'full' }).expect(422)).body.errors).toEqual([{ pointer: '/schema', detail: expect.stringMatching(/^is not forward compatible at \/note: version 1 does not know it/) }]);
  expect((await versions(name).send({ schema: wider }).expect(201)).body).toMatchObject({ version: 2, compatibility: 'backward', status: 'ACTIVE' });
  await versions(name).send({ schema: { type: 'object', required: ['other'] }, compatibility: 'none' }).expect(201);
});

const DEEP = (depth: number): object => (depth === 0 ? {} : { not: DEEP(depth - 1) });
test.each<[what: string, schema: unknown, ...pointers: string[]]>([
  ['not an object', 5, '/schema'], ['unknown keywords', { properties: { a: { typ: 'string' } } }, '/schema/properties/a/typ'], ['a wrong type', { type: 'strng' }, '/schema/type'], ['a wrong shape', { properties: 5, minimum: 'x' }, '/schema/properties', '/schema/minimum'],
  ['a ref elsewhere', { $ref: 'https://example.com/x.json' }, '/schema/$ref'], ['a ref to a file', { $ref: 'file:///etc/passwd' }, '/schema/$ref'], ['a ref to nothing', { $ref: '#/$defs/a' }, '/schema/$ref'], ['a circle', { $ref: '#' }, '/schema'], ['a longer circle', { allOf: [{ $ref: '#/$defs/a' }], $defs: { a: { anyOf: [{ $ref: '#' }] } } }, '/schema'],
  ['another dialect', { $schema: 'http://json-schema.org/draft-07/schema#' }, '/schema/$schema'], ['an id inside', { $defs: { a: { $id: 'x' } } }, '/schema/$defs/a/$id'], ['an anchor', { $anchor: 'x' }, '/schema/$anchor'], ['words of OpenAPI 3.0', { type: 'string', nullable: true }, '/schema/nullable'],
  ['a pattern that looks ahead', { pattern: 'a(?=b)' }, '/schema/pattern'], ['a pattern too complex', { pattern: '(x{100}){10}' }, '/schema/pattern'], ['a pattern of names', { patternProperties: { '(': {} } }, '/schema/patternProperties/('], ['an unknown format', { format: 'colour' }, '/schema/format'],
  ['too deep', DEEP(32), `/schema${'/not'.repeat(32)}`], ['too large', { description: 'x'.repeat(70_000) }, '/schema'], ['too many', { properties: Object.fromEntries(Array.from({ length: 600 }, (_, n) => [`n${n}`, {}])) }, '/schema/properties/n299'],
])('a schema with %s is refused at its place', async (_, schema, ...pointers) => {
  const { body } = await house.api.post('/v1/event-types').send({ name: 'never.made', schema }).expect(422);
  expect(body.errors.map(({ pointer }: { pointer: string }) => pointer)).toEqual(pointers);
  await house.api.get('/v1/event-types/never.made').expect(404);
});

const CIRCLES = { $ref: '#/$defs/n', $defs: { n: { anyOf: [{ required: ['no'], properties: { a: { $ref: '#/$defs/n' } } }, { properties: { a: { $ref: '#/$defs/n' } }, required: ['never'] }] } } };
const nested = (depth: number): object => (depth === 0 ? {} : { a: nested(depth - 1) });
test.each<[what: string, schema: object, data: object]>([
  ['alternatives that double at every level', CIRCLES, nested(55)], ['a pattern that backtracks', { properties: { a: { pattern: '^(a+)+$' } } }, { a: `${'a'.repeat(300_000)}!` }],
  ['elements all to be different', { properties: { a: { uniqueItems: true, items: { type: 'integer' } } } }, { a: [...Array.from({ length: 200_000 }, (_, n) => ({ n })), { n: 1 }] }], ['a fault in every element', { properties: { a: { items: { type: 'string' } } } }, { a: Array.from({ length: 400_000 }, () => 1) }],
  ['a choice of many for each element', { properties: { a: { items: { enum: Array.from({ length: 2_000 }, (_, n) => `choice ${n}`) } } } }, { a: Array.from({ length: 200_000 }, () => 'x') }], ['an address that takes long to read', { properties: { a: { format: 'email' } } }, { a: `a@${'a-'.repeat(200_000)}` }],
])('data made to keep the check busy is refused in bounded time: %s', async (_, schema, data) => {
  const name = await givenType({ schema });
  const started = cpuMs();
  const { body } = await publish(name, data).expect(422);
  expect(cpuMs() - started).toBeLessThan(5_000);
  expect(body.errors.length).toBeLessThanOrEqual(20);
  expect(body.errors[0].pointer).toMatch(/^\/data/);
});

test('names that objects inherit are names like any other', async () => {
  const name = await givenType({ schema: { type: 'object', properties: { constructor: { type: 'string' }, toString: { type: 'string' } }, required: ['valueOf'], additionalProperties: false } });
  expect((await publish(name, { hasOwnProperty: 1 }).expect(422)).body.errors.map(({ pointer }: { pointer: string }) => pointer).sort()).toEqual(['/data/hasOwnProperty', '/data/valueOf']);
  await versions(name).send({ schema: { type: 'object', properties: { constructor: { type: 'string' } } } }).expect(201);
  await publish(name, { constructor: 'text' }).expect(202);
});

test('with STRICT_EVENT_TYPES only registered and built-in types are taken', async () => {
  expect((await publish('of.nobody', {}, neighbour).expect(422)).body.errors).toEqual([{ pointer: '/event_type', detail: expect.stringContaining('is not registered') }]);
  await publish('anomaly_detected', {}, neighbour).expect(202);
  const name = await givenType({}, neighbour);
  await publish(name, { id: 'x' }, neighbour).expect(202);
  await house.api.delete(`/v1/event-types/${name}`).expect(204);
  await eventually('the strict process to refuse it', async () => (await publish(name, { id: 'x' }, neighbour)).status === 422);
});

test('events of ours are not held against anybody’s schemas, and another tenant’s types are not one’s own', async () => {
  const name = await givenType();
  const other = { api: house.as(await givenTenant(house)) };
  await publish(name, {}, other).expect(202);
  await other.api.get(`/v1/event-types/${name}`).expect(404);
  await other.api.post('/v1/event-types').send({ name }).expect(201);
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/gone`, { events: ['ends'] });
  await givenWebhook(house, `${receiver.url}/news`, { events: ['webhook.disabled'] });
  receiver.answer = ({ path }) => (path === '/gone' ? 410 : 200);
  await givenEvent(house, 'ends');
  expect((await receiver.received(1, '/news'))[0]!.event.data).toMatchObject({ webhook_id });
});

test('of many who register a type at once one does, and versions made at once have numbers of their own', async () => {
  const answers = await Promise.all(Array.from({ length: 8 }, (_, n) => (n % 2 ? house : neighbour).api.post('/v1/event-types').send({ name: 'raced', compatibility: 'none' })));
  expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array.from({ length: 7 }, () => 409)]);
  const made = await Promise.all(Array.from({ length: 8 }, (_, n) => (n % 2 ? house : neighbour).api.post('/v1/event-types/raced/versions').send({ schema: { title: String(n) } }).expect(201)));
  expect(made.map(({ body }) => (body as { version: number }).version).sort()).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
});

test('every change is on record', async () => {
  const name = await givenType();
  await versions(name).send({ schema: ORDER }).expect(201);
  await house.api.put(`/v1/event-types/${name}/versions/2/status`).send({ status: 'INACTIVE' }).expect(200);
  await house.api.put(`/v1/event-types/${name}`).send({ description: 'new' }).expect(200);
  await house.api.delete(`/v1/event-types/${name}`).expect(204);
  const { body } = await house.api.get(`/v1/audit-log?subject_id=${name}`).expect(200);
  expect(body.data.map(({ action }: { action: string }) => action)).toEqual(['archived', 'changed', 'version_status_changed', 'version_created', 'created'].map((verb) => `event_type.${verb}`));
});
