import { expect, test } from 'vitest';
import { compileSchema } from '../../src/events/schemas/compile.js';
import { Sample } from '../../src/events/schemas/infer.js';
import { findSchemaFaults } from '../../src/events/schemas/read-schema.js';
import { givenEvent } from '../support/given.js';
import { useHouse } from '../support/house.js';
import { Maker } from '../support/random-schemas.js';

const house = useHouse();
const infer = (type: string) => house.api.post(`/v1/event-types/${type}/infer`);

test('a proposal names types, what is always there, choices, formats, whole numbers, null and elements, and can be registered as it is', async () => {
  for (let n = 0; n < 12; n++) {
    await givenEvent(house, 'inferred', {
      id: `01900000-0000-7000-8000-0000000000${n + 10}`, at: '2026-01-31T12:00:00Z', mail: `a${n}@example.com`, link: 'https://example.com/x', status: n % 3 === 0 ? 'paid' : 'open', text: `text ${n}`,
      count: n, price: n / 4, flag: true, note: n % 2 ? null : `note ${n}`, lines: [{ sku: `s${n}`, amount: 1 }, { sku: 'x' }], ...(n === 5 && { sometimes: 1 }),
    });
  }
  const { body } = await infer('inferred').send({}).expect(200);
  expect(body).toMatchObject({ event_type: 'inferred', sampled: 12 });
  expect(body.schema).toEqual({
    $schema: 'https://json-schema.org/draft/2020-12/schema', type: 'object',
    properties: {
      id: { type: 'string', format: 'uuid' }, at: { type: 'string', format: 'date-time' }, mail: { type: 'string', format: 'email' }, link: { type: 'string', format: 'uri' }, status: { type: 'string', enum: ['open', 'paid'] }, text: { type: 'string' },
      count: { type: 'integer' }, price: { type: 'number' }, flag: { type: 'boolean' }, note: { type: ['null', 'string'] }, sometimes: { type: 'integer' },
      lines: { type: 'array', items: { type: 'object', properties: { sku: { type: 'string' }, amount: { type: 'integer' } }, required: ['sku'] } },
    },
    required: ['id', 'at', 'mail', 'link', 'status', 'text', 'count', 'price', 'flag', 'note', 'lines'],
  });
  await house.api.get('/v1/event-types/inferred').expect(404);
  await house.api.post('/v1/event-types').send({ name: 'inferred', schema: body.schema }).expect(201);
});

test('as many of the newest events are looked at as asked for, and none are no error', async () => {
  for (const data of [{ old: 1 }, { young: 1 }, { young: 2 }]) await givenEvent(house, 'sampled', data);
  expect((await infer('sampled').send({ limit: 2 }).expect(200)).body).toMatchObject({ sampled: 2, schema: { required: ['young'] } });
  expect((await infer('never.seen').expect(200)).body).toEqual({ event_type: 'never.seen', sampled: 0, schema: null });
  for (const limit of [0, 1001, '5', null]) await infer('sampled').send({ limit }).expect(422);
});

test('objects with ever new names are no records, and odd numbers and names do not mislead', () => {
  const sample = new Sample();
  for (let n = 0; n < 300; n++) sample.add({ map: { [`k${n}`]: n }, constructor: 1, huge: n === 7 ? JSON.parse('1e999') as number : 1 });
  expect(sample.schema()).toEqual({ type: 'object', properties: { map: { type: 'object' }, constructor: { type: 'integer' }, huge: {} }, required: ['map', 'constructor'] });
});

test('every document looked at is valid for the proposal, which can be registered: 400 random collections, with ajv to judge', () => {
  let described = 0;
  for (let seed = 1; seed <= 400; seed++) {
    const maker = new Maker(seed);
    const schema = maker.schema();
    const documents = Array.from({ length: 1 + (seed % 25) }, () => maker.document(schema));
    const sample = new Sample();
    for (const document of documents) sample.add(document);
    const proposal = sample.schema();
    expect(findSchemaFaults(proposal)).toEqual([]);
    const compiled = compileSchema(proposal);
    for (const document of documents) expect(compiled.faultsOf(document), JSON.stringify({ seed, proposal, document })).toEqual([]);
    if (proposal.properties || proposal.items) described++;
  }
  expect(described).toBeGreaterThan(300);
}, 60_000);
