import { beforeAll, describe, expect, test } from 'vitest';
import type { Dataset } from '../../src/datalake/datasets/dataset.js';
import { datasets, findColumnFaults, findDataset } from '../../src/datalake/datasets/datasets.js';
import { readFilter } from '../../src/datalake/datasets/filter.js';
import { type Day, daysOf, type Rows, selectOf } from '../../src/datalake/datasets/rows.sql.js';
import { masked } from '../../src/events/types/sensitive.js';
import { deliveryOf, givenEvent, givenTenant, givenWebhook } from '../support/given.js';
import { useHouse } from '../support/house.js';
import { useReceiver } from '../support/receiver.js';

const house = useHouse();
const receiver = useReceiver();
const ALL = { from: '2020-01-01', to: '9999-12-31' };
let tenantId: string;

const datasetOf = (name: string): Dataset => findDataset(name)!;
const rowsOf = <Row extends object>(name: string, rows: Partial<Rows> = {}): Promise<Row[]> => house.sql<Row>(selectOf(datasetOf(name), { tenantId, ...ALL, ...rows }));
const fingerprints = async (name: string): Promise<Record<string, string>> => Object.fromEntries((await house.sql<Day>(daysOf(datasetOf(name), { tenantId, ...ALL }))).map(({ day, fingerprint }) => [day, fingerprint]));

/** What leaves as `data` of events of a type. */
const shown = async (type: string): Promise<string[]> => (await rowsOf<{ event_type: string; data: string | object }>('events')).filter(({ event_type }) => event_type === type).map(({ data }) => (typeof data === 'string' ? data : JSON.stringify(data)));

/** Costs of some days of November 2024, all written by one statement. */
async function givenCosts(count: number, tenant = tenantId): Promise<void> {
  await house.sql(`CREATE TABLE IF NOT EXISTS cost_data_202411 PARTITION OF cost_data FOR VALUES FROM ('2024-11-01') TO ('2024-12-01')`);
  await house.sql(`INSERT INTO cost_data (tenant_id, date, record_id, provider, service_name, region_id, charge_category, billed_cost, effective_cost, list_cost, contracted_cost, quantity, currency, tags)
    SELECT $1, date '2024-11-01' + n % 5, gen_random_uuid(), 'aws', 'service ' || n % 7, CASE n % 3 WHEN 0 THEN NULL ELSE 'eu-' || n % 3 END, 'Usage', n, n / 3.0, 0.1, -1, NULL, 'USD', '{"team":"a"}'
      FROM generate_series(1, $2::int) n`, [tenant, count]);
}

beforeAll(async () => {
  tenantId = (await house.sql<{ tenant_id: string }>('SELECT tenant_id FROM tenants'))[0]!.tenant_id;
  await givenCosts(1_000);
  receiver.answer = () => 200;
  await givenWebhook(house, receiver.url);
  for (const n of [1, 2, 3]) await deliveryOf(house, await givenEvent(house, 'planted', { n, secret: 'planted' }), 'succeeded');
});

test('the datasets are listed with columns, types, partition column and order, to who may read the lake', async () => {
  const { body } = await house.api.get('/v1/datalake/datasets').expect(200);
  expect(body.data.map(({ name }: { name: string }) => name)).toEqual(['cost_data', 'events', 'deliveries', 'attempts']);
  const { body: costs } = await house.api.get('/v1/datalake/datasets/cost_data').expect(200);
  expect(costs).toMatchObject({ file_name: 'costs', scope: 'cost:read', partition_column: 'date', sort: ['date', 'record_id'] });
  expect(costs.columns.find(({ name }: { name: string }) => name === 'billed_cost')).toMatchObject({ type: 'decimal', scale: 21, nullable: false, operators: expect.arrayContaining(['gte', 'in']) });
  expect(costs.columns.find(({ name }: { name: string }) => name === 'tags')).toMatchObject({ type: 'json', scale: null, operators: [] });
  for (const name of ['nope', 'COST_DATA', '__proto__', 'cost_data%00', '%2e%2e']) expect((await house.api.get(`/v1/datalake/datasets/${name}`)).status, name).toBe(404);
  const other = house.as((await house.api.post('/v1/api-keys').send({ name: 'k', scopes: ['events:read'] }).expect(201)).body.key);
  await other.get('/v1/datalake/datasets').expect(403);
});

const POSTGRES_TYPES: Record<string, string[]> = {
  text: ['text'], uuid: ['uuid'], json: ['json', 'jsonb', 'text'], integer: ['integer', 'smallint', 'bigint'], double: ['double precision'], boolean: ['boolean'], date: ['date'], timestamp: ['timestamp(3) with time zone', 'timestamp with time zone'], decimal: ['numeric'],
};

describe.each(datasets)('$name', (dataset) => {
  test('declares each column as Postgres has it, null only where it may be', async () => {
    await house.sql(`CREATE VIEW looked_at AS ${selectOf(dataset, { tenantId, ...ALL })}`);
    const found = await house.sql<{ name: string; type: string; required: boolean | null }>(`
      SELECT v.attname AS name, format_type(v.atttypid, v.atttypmod) AS type, t.attnotnull AS required
        FROM pg_attribute v LEFT JOIN pg_attribute t ON t.attrelid = $1::regclass AND t.attname = v.attname WHERE v.attrelid = 'looked_at'::regclass ORDER BY v.attnum`, [dataset.table]);
    await house.sql('DROP VIEW looked_at');
    expect(found.map(({ name }) => name)).toEqual(dataset.columns.map(({ name }) => name));
    for (const [index, { name, type, nullable }] of dataset.columns.entries()) {
      expect(POSTGRES_TYPES[typeof type === 'string' ? type : 'decimal'], name).toContain(found[index]!.type);
      expect(nullable, name).toBe(!found[index]!.required);
    }
  });

  test('has an order that leaves nothing open: its key is unique in the table', async () => {
    const keys = await house.sql<{ columns: string[] }>(`
      SELECT array_agg(a.attname::text) AS columns FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey) WHERE i.indrelid = $1::regclass AND i.indisunique GROUP BY i.indexrelid`, [dataset.table]);
    const order = ['tenant_id', ...dataset.order.map(({ name }) => name)];
    expect(keys.some(({ columns }) => columns.every((name) => order.includes(name)))).toBe(true);
  });

  test('is read by days: other partitions are not even looked at', async () => {
    const [day] = await house.sql<Day>(daysOf(dataset, { tenantId, ...ALL }));
    const next = new Date(Date.parse(day!.day) + 86_400_000).toISOString().slice(0, 10);
    for (const text of [selectOf, daysOf].map((sql) => sql(dataset, { tenantId, from: day!.day, to: next }))) {
      const plan = (await house.sql<{ 'QUERY PLAN': string }>(`EXPLAIN ${text}`)).map((line) => line['QUERY PLAN']).join('\n');
      expect(new Set([...plan.matchAll(new RegExp(`${dataset.table}_\\d+(?= r)`, 'g'))].map(([name]) => name)).size, plan).toBe(1);
    }
  });

  test('shows nobody the rows of another tenant', async () => {
    expect(await rowsOf(dataset.name)).not.toHaveLength(0);
    expect(await rowsOf(dataset.name, { tenantId: '018f4e2a-0000-7abc-8def-0123456789ab' })).toEqual([]);
  });
});

test('rows come by day, of the days asked for, in the same order every time', async () => {
  const first = await rowsOf<{ record_id: string; date: Date }>('cost_data', { from: '2024-11-02', to: '2024-11-04' });
  expect(first).toHaveLength(400);
  expect(await rowsOf('cost_data', { from: '2024-11-02', to: '2024-11-04' })).toEqual(first);
  const keys = first.map(({ date, record_id }) => `${date.toISOString()}${record_id}`);
  expect(keys).toEqual(keys.toSorted());
  expect((await house.sql<Day>(daysOf(datasetOf('cost_data'), { tenantId, from: '2024-11-02', to: '2024-11-04' }))).map(({ day, rows }) => [day, rows])).toEqual([['2024-11-02', '200'], ['2024-11-03', '200']]);
});

test('columns come as they were chosen, and none that is not declared', async () => {
  const [row] = await house.sql(selectOf(datasetOf('cost_data'), { tenantId, ...ALL, columns: ['currency', 'date'] }));
  expect(Object.keys(row!)).toEqual(['currency', 'date']);
  expect(findColumnFaults(datasetOf('cost_data'), ['currency', 'date'])).toEqual([]);
  for (const [names, pointers] of [[[], ['/columns']], ['date', ['/columns']], [['date', 'tenant_id', 5, 'date', 'now()'], ['/columns/1', '/columns/2', '/columns/3', '/columns/4']]] as const) expect(findColumnFaults(datasetOf('cost_data'), names).map(({ pointer }) => pointer)).toEqual(pointers);
  expect(() => selectOf(datasetOf('cost_data'), { tenantId, ...ALL, columns: ['1; DROP TABLE cost_data'] })).toThrow('no column');
});

test('ids that publishers chose come in the order of their bytes, whatever the collation of the database', async () => {
  await house.sql(`INSERT INTO events (tenant_id, recorded_at, event_id, event_type, occurred_at, data, metadata) SELECT $1, now(), id, 'ordered', now(), '{}', '{}' FROM unnest($2::text[]) id`, [tenantId, ['b', 'B', 'a', 'ä', 'A', '_', '-']]);
  const rows = await rowsOf<{ event_id: string; event_type: string }>('events');
  expect(rows.filter(({ event_type }) => event_type === 'ordered').map(({ event_id }) => event_id)).toEqual(['-', 'A', 'B', '_', 'a', 'b', 'ä']);
});

test('a fingerprint changes with its day, and with no other', async () => {
  const other = await givenTenant(house);
  const before = await fingerprints('cost_data');
  expect(Object.keys(before)).toEqual(['2024-11-01', '2024-11-02', '2024-11-03', '2024-11-04', '2024-11-05']);
  expect(new Set(Object.values(before)).size).toBe(5);
  await house.as(other).get('/v1/datalake/datasets').expect(200);
  await givenCosts(50, (await house.sql<{ tenant_id: string }>('SELECT tenant_id FROM tenants ORDER BY created_at DESC'))[0]!.tenant_id);
  await house.sql('VACUUM cost_data');
  expect(await fingerprints('cost_data')).toEqual(before);
  const changes: [string, string][] = [
    ['2024-11-01', `UPDATE cost_data SET billed_cost = billed_cost WHERE record_id = (SELECT record_id FROM cost_data WHERE tenant_id = $1 AND date = '2024-11-01' LIMIT 1)`],
    ['2024-11-02', `DELETE FROM cost_data WHERE record_id = (SELECT record_id FROM cost_data WHERE tenant_id = $1 AND date = '2024-11-02' LIMIT 1)`],
    ['2024-11-03', `INSERT INTO cost_data SELECT tenant_id, date, gen_random_uuid(), provider, billing_account_id, sub_account_id, service_name, region_id, resource_id, charge_category, usage_type, 1, 1, 1, 1, 1, unit, currency, tags FROM cost_data WHERE tenant_id = $1 AND date = '2024-11-03' LIMIT 1`],
  ];
  for (const [day, change] of changes) {
    const was = await fingerprints('cost_data');
    await house.sql(change, [tenantId]);
    const is = await fingerprints('cost_data');
    expect(Object.keys(is).filter((each) => is[each] !== was[each]), day).toEqual([day]);
  }
});

test('a filter finds what it says, by every comparison', async () => {
  const rows = await rowsOf<{ billed_cost: string; region_id: string | null; date: Date; service_name: string }>('cost_data', { from: '2024-11-04', to: '2024-11-06' });
  const cases: [object, (row: (typeof rows)[number]) => boolean][] = [
    [{ region_id: 'eu-1' }, ({ region_id }) => region_id === 'eu-1'],
    [{ region_id: null }, ({ region_id }) => region_id === null],
    [{ region_id: { ne: 'eu-1' } }, ({ region_id }) => region_id !== 'eu-1'],
    [{ region_id: { ne: null } }, ({ region_id }) => region_id !== null],
    [{ region_id: { prefix: 'eu' } }, ({ region_id }) => region_id !== null],
    [{ region_id: { prefix: 'e%' } }, () => false],
    [{ service_name: { in: ['service 1', 'service 2'] } }, ({ service_name }) => service_name === 'service 1' || service_name === 'service 2'],
    [{ billed_cost: { gt: '100.0', lte: 500 } }, ({ billed_cost }) => Number(billed_cost) > 100 && Number(billed_cost) <= 500],
    [{ date: '2024-11-05' }, ({ date }) => date.getDate() === 5],
    [{ quantity: null, currency: 'USD' }, () => true],
    [{ service_name: `' OR true --` }, () => false],
  ];
  for (const [wire, holds] of cases) {
    const filter = readFilter(datasetOf('cost_data'), wire);
    if (Array.isArray(filter)) throw new Error(JSON.stringify(filter));
    expect(await rowsOf('cost_data', { from: '2024-11-04', to: '2024-11-06', filter }), JSON.stringify(wire)).toEqual(rows.filter(holds));
  }
  for (const dataset of datasets) {
    for (const { name, type, nullable } of dataset.columns.filter((column) => column.type !== 'json')) {
      const value = { text: `'; SELECT 1/0; --`, uuid: tenantId, integer: 1, double: 1.5, boolean: true, date: '2026-01-01', timestamp: '2026-01-01T00:00:00Z' }[type as string] ?? '0.5';
      for (const wire of [{ [name]: value }, { [name]: { ne: value } }, ...(nullable ? [{ [name]: null }] : []), ...(type === 'boolean' ? [] : [{ [name]: { in: [value, value] } }])]) {
        const filter = readFilter(dataset, wire);
        if (Array.isArray(filter)) throw new Error(JSON.stringify(filter));
        await rowsOf(dataset.name, { filter });
      }
    }
  }
});

describe('sensitive fields', () => {
  test('are masked in what leaves, and days with it are other days as soon as that changes', async () => {
    expect((await shown('planted')).join()).toContain('"secret":"planted"');
    const before = await fingerprints('events');
    await house.api.post('/v1/event-types').send({ name: 'planted', contains_sensitive: ['/secret'] }).expect(201);
    expect((await shown('planted')).map((text) => JSON.parse(text))).toEqual([1, 2, 3].map((n) => ({ n, secret: '********' })));
    expect(await fingerprints('events')).not.toEqual(before);
    await house.api.delete('/v1/event-types/planted').expect(204);
    expect((await shown('planted')).join()).not.toContain('"planted"');
  });

  test.each<[string, string[]]>([
    ['{"name":"x","n":1.0,"cards":[{"number":"x","y":[ ]},{"number":{"a":1e2}},7],"a/b":null,"deep":{"x":["s"],"y":-0.0},"\\u006eame":["x"],"name ":"kept"}', ['/name', '/cards/*/number', '/a~1b', '/deep/*']],
    ['{"a":[[1,2],[3]],"b":{"0":1}}', ['/a/0/1', '/b/0', '/a/1']],
    ['[1,{"x":2},[3]]', ['/1/x', '/2']], ['{}', ['/x']], ['{"x":{}}', ['/x/y', '/x/*']], ['{"":{"":1}}', ['//']], ['{"~":1,"*":2,"\\"":3}', ['/~0', '/"']],
    ['{"a":{"b":1},"c":{"b":2}}', ['/*/b']], ['"text"', ['/x']], ['null', ['/*']], ['{"x":123456789012345678901234567890.5,"y":"\\ud83d\\ude00"}', ['/y']],
  ])('of %s at %j are masked by Postgres as by the API', async (data, paths) => {
    const [row] = await house.sql<{ text: string }>('SELECT masked($1, $2) AS text', [data, paths]);
    expect(JSON.parse(row!.text)).toEqual(JSON.parse(masked(data, paths)));
    expect(row!.text.match(/\*{8}/g)?.length).toBe(masked(data, paths).match(/\*{8}/g)?.length);
  });

  test('of a document that Postgres cannot take apart leave nothing of it to see', async () => {
    expect(await house.sql('SELECT masked($1, $2) AS text', ['{"a":"\\ud800","b":"secret"}', ['/b']])).toEqual([{ text: '"********"' }]);
  });
});
