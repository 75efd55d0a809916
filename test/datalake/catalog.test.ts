import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Dataset } from '../../src/datalake/datasets/dataset.js';
import { datasets } from '../../src/datalake/datasets/datasets.js';
import { selectOf } from '../../src/datalake/datasets/rows.sql.js';
import type { Column } from '../../src/platform/tabular/table.js';
import { deliveryOf, givenEvent, givenWebhook } from '../support/given.js';
import { useHouse } from '../support/house.js';
import { useReceiver } from '../support/receiver.js';
import { exported, givenCosts } from './support.js';

// DuckDB reads what exports really wrote, told of it by nothing but the statements that the API answers.

const DATA_DIR = mkdtempSync(join(tmpdir(), `lakehook's catalog `));
const house = useHouse({ DATA_DIR });
const receiver = useReceiver();
const COSTS = { from: '2024-12-30', to: '2025-01-03' };
const LOG = { from: '2026-01-01', to: '2100-01-01' };
const rangeOf = ({ name }: Dataset): typeof LOG => (name === 'cost_data' ? COSTS : LOG);
const FORMATS = ['parquet', 'csv', 'json'] as const;
let tenantId: string;
let duckdb: DuckDBConnection;

type Text = Record<string, string | null>;
const ask = async (sql: string): Promise<Text[]> => (await duckdb.runAndReadAll(sql)).getRowObjectsJson() as Text[];
const tableOf = ({ name }: Dataset, format: (typeof FORMATS)[number]): string => `"${name}${format === 'parquet' ? '' : `_${format}`}"`;

beforeAll(async () => {
  tenantId = (await house.sql<{ tenant_id: string }>('SELECT tenant_id FROM tenants'))[0]!.tenant_id;
  duckdb = await (await DuckDBInstance.create()).connect();
  await duckdb.run(`SET TimeZone = 'UTC'`);
  await givenCosts(house, COSTS.from, 4, 50);
  await house.sql(`UPDATE cost_data SET quantity = 12345678901234567890.123456789012345678, billed_cost = -12345678901234567.123456789012345678901, effective_cost = -99999999999999999.999999999999999999999, service_name = E'a "quoted",\\r\\nname', region_id = '', tags = '{"ü":"=1+1\\n"}' WHERE date = '2024-12-31' AND billed_cost < 2`);
  receiver.answer = ({ path }) => (path === '/fails' ? 500 : 200);
  const { webhook_id } = await givenWebhook(house, receiver.url);
  await givenWebhook(house, `${receiver.url}/fails`, { retry_policy: { max_retries: 0 } });
  for (const data of [{ n: 1 }, { text: `'"\\,;\n\r\t` }, { nested: [{ 'ü': null }, 1e300, 0.1] }]) await deliveryOf(house, await givenEvent(house, 'read.back', data), 'succeeded', webhook_id);
  for (const dataset of datasets) {
    const { from, to } = rangeOf(dataset);
    for (const format of FORMATS) {
      expect(await exported(house.api, from, to, { dataset: dataset.name, format }), dataset.name).toMatchObject({ status: 'succeeded' });
      const { body } = await house.api.get(`/v1/datalake/datasets/${dataset.name}/ddl?engine=duckdb&format=${format}`).expect(200);
      for (const statement of body.statements as string[]) await duckdb.run(statement);
    }
  }
}, 120_000);
afterAll(() => rmSync(DATA_DIR, { recursive: true, force: true }));

const TYPES: Record<string, string> = { text: 'VARCHAR', uuid: 'VARCHAR', json: 'VARCHAR', integer: 'BIGINT', double: 'DOUBLE', boolean: 'BOOLEAN', date: 'DATE', timestamp: 'TIMESTAMP WITH TIME ZONE' };

/** A column's value as DuckDB prints it. */
function textOf(name: string, type: Column['type'], format: string): string {
  if (typeof type === 'object') return format === 'json' ? `${name}::float8::text` : `${name}::numeric(38, ${type.decimal})::text`;
  return type === 'timestamp' ? `(${name} AT TIME ZONE 'UTC')::text || '+00'` : `${name}::text`;
}

/** DuckDB writes numbers of JSON its own way: `1e+300` for `1e300`, and what is DOUBLE as `26.0`. */
function comparable(row: Text, { columns }: Dataset, format: string): Record<string, unknown> {
  return format === 'json' ? Object.fromEntries(columns.map(({ name, type }) => [name, row[name] !== null && (type === 'json' || typeof type === 'object') ? JSON.parse(row[name]!) : row[name]])) : row;
}

describe.each(datasets)('$name', (dataset) => {
  test.each(FORMATS)('is read from %s with every value as Postgres has it', async (format) => {
    // Each export is an event itself, of which the next one tells.
    const where = dataset.name === 'events' ? ` WHERE event_type = 'read.back'` : '';
    const values = dataset.columns.map(({ name, type }) => `${textOf(name, type, format)} AS ${name}`);
    const rows = await house.sql<Text>(`SELECT ${values.join(', ')} FROM (${selectOf(dataset, { tenantId, ...rangeOf(dataset) })}) r${where}`);
    const order = dataset.order.map(({ name }) => `"${name}"`).join(', ');
    const read = await ask(`SELECT ${dataset.columns.map(({ name }) => `"${name}"::VARCHAR AS "${name}"`).join(', ')} FROM ${tableOf(dataset, format)}${where} ORDER BY ${order}`);
    expect(read.length).toBeGreaterThan(2);
    expect(read.map((row) => comparable(row, dataset, format))).toEqual(rows.map((row) => comparable(row, dataset, format)));
  });

  test('has the declared types in Parquet and CSV', async () => {
    for (const format of ['parquet', 'csv'] as const) {
      const described = await ask(`DESCRIBE ${tableOf(dataset, format)}`);
      expect(described.map(({ column_name, column_type }) => [column_name, column_type])).toEqual([
        ...dataset.columns.map(({ name, type }) => [name, typeof type === 'object' ? `DECIMAL(38,${type.decimal})` : TYPES[type]]), ['year', 'INTEGER'], ['month', 'INTEGER'], ['day', 'INTEGER'],
      ]);
    }
  });
});

test.each(['cost_data', 'cost_data_csv'])('sums of decimals in %s are those of Postgres to the last digit', async (table) => {
  const SUMS = ['billed_cost', 'effective_cost', 'list_cost', 'contracted_cost', 'quantity'];
  const [expected] = await house.sql<Text>(`SELECT count(*)::text AS rows, ${SUMS.map((name) => `sum(${name})::numeric(38, ${name === 'quantity' ? 18 : 21})::text AS ${name}`).join(', ')} FROM cost_data WHERE tenant_id = $1`, [tenantId]);
  expect(await ask(`SELECT count(*)::VARCHAR AS rows, ${SUMS.map((name) => `sum(${name})::VARCHAR AS ${name}`).join(', ')} FROM ${table}`)).toEqual([expected]);
});

test.each(FORMATS)('a condition on the day opens only that day’s file of %s', async (format) => {
  const table = `cost_data${format === 'parquet' ? '' : `_${format}`}`;
  const plan = JSON.stringify(await ask(`EXPLAIN ANALYZE SELECT count(*) FROM ${table} WHERE year = 2025 AND month = 1 AND day = 2`));
  expect(plan).toContain('Scanning Files: 1/4');
  expect(await ask(`SELECT year, month, day, count(*)::VARCHAR AS rows FROM ${table} GROUP BY ALL ORDER BY ALL`)).toEqual([
    { year: 2024, month: 12, day: 30, rows: '50' }, { year: 2024, month: 12, day: 31, rows: '50' }, { year: 2025, month: 1, day: 1, rows: '50' }, { year: 2025, month: 1, day: 2, rows: '50' },
  ]);
});

test('a day that is exported later, and one in another compression, are there without another statement', async () => {
  await givenCosts(house, '2025-01-03', 1, 7);
  for (const [format, compression] of [['csv', 'gzip'], ['json', 'zstd'], ['parquet', 'snappy']]) expect(await exported(house.api, '2025-01-03', '2025-01-04', { format, compression })).toMatchObject({ status: 'succeeded', row_count: 7 });
  for (const table of ['cost_data', 'cost_data_csv', 'cost_data_json']) expect(await ask(`SELECT count(*)::VARCHAR AS rows FROM ${table} WHERE day = 3`), table).toEqual([{ rows: '7' }]);
});

test('the statements are answered to who may read the lake, of what there is', async () => {
  const ddl = '/v1/datalake/datasets/cost_data/ddl';
  const { body } = await house.api.get(`${ddl}?engine=spark`).expect(200);
  expect(body).toMatchObject({ dataset: 'cost_data', engine: 'spark', format: 'parquet', location: `file://${DATA_DIR}/lake/${tenantId}/exports/cost_data/` });
  for (const [query, pointer] of [['engine=excel', '?engine'], ['', '?engine'], ['engine=duckdb&format=xml', '?format'], ['engine=duckdb&destination_id=1', '?destination_id'], ['engine=athena', '?destination_id'], ['engine=athena&format=csv', '?format']]) {
    const { body: problem } = await house.api.get(`${ddl}?${query}`).expect(422);
    expect(problem.errors[0].pointer, query).toBe(pointer);
  }
  await house.api.get('/v1/datalake/datasets/nope/ddl?engine=duckdb').expect(404);
  const other = house.as((await house.api.post('/v1/api-keys').send({ name: 'k', scopes: ['cost:read'] }).expect(201)).body.key);
  await other.get(`${ddl}?engine=duckdb`).expect(403);
});
