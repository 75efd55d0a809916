import { expect, test } from 'vitest';
import type { S3Settings, StoreSettings } from '../../platform/index.js';
import { defineDataset } from '../datasets/dataset.js';
import { athena } from './athena.js';
import { duckdb } from './duckdb.js';
import type { Catalogued, Engine, Lake } from './lake.js';
import { spark } from './spark.js';
import { trino } from './trino.js';

/** One column of each type, and words that want quoting. */
const dataset = defineDataset({
  name: 'samples', fileName: 'samples', description: `What’s of use, "so to say" and 'so to speak'.`, schemaVersion: 1, scope: 'events:read', table: 'samples', day: 'at', order: ['order'],
  columns: {
    order: { type: 'integer', description: 'A word of SQL.' },
    at: { type: 'timestamp', description: 'When.' },
    on: { type: 'date', description: 'On what day.' },
    note: { type: 'text', description: `The writer's own.` },
    id: { type: 'uuid', description: 'An id.' },
    tags: { type: 'json', description: 'Tags.' },
    ratio: { type: 'double', description: 'A ratio.' },
    is_test: { type: 'boolean', description: 'Whether it is one.' },
    cost: { type: { decimal: 21 }, description: 'What it cost.' },
  },
});
const disk: StoreSettings = { type: 'disk', folder: `/data/my lake's` };
const s3: S3Settings = { type: 's3', bucket: 'a-bucket', prefix: `it's/here`, region: 'eu-west-1', pathStyle: false, credentials: { accessKeyId: 'planted-id', secretAccessKey: 'planted-secret' } };
const compatible: S3Settings = { ...s3, endpoint: 'http://minio:9000', pathStyle: true };

const lakeOf = (format: Lake['format'], store: StoreSettings = s3): Lake => ({ dataset, format, store, prefix: `exports/samples${format === 'parquet' ? '' : `_${format}`}` });
const sql = (engine: Engine, format: Lake['format'], store?: StoreSettings): string => (engine(lakeOf(format, store)) as Catalogued).statements.join('\n');

const engines: Record<string, Engine> = { duckdb, athena, trino, spark };

test('DuckDB gets a view that names each column and finds days by their folders', () => {
  expect(sql(duckdb, 'parquet', disk)).toBe(`CREATE OR REPLACE VIEW "samples" AS
SELECT "order", "at", "on", "note", "id", "tags", "ratio", "is_test", "cost", "year", "month", "day"
FROM read_parquet(
  '/data/my lake''s/exports/samples/year=*/month=*/day=*/*.parquet',
  hive_partitioning = true,
  hive_types = {'year': INTEGER, 'month': INTEGER, 'day': INTEGER}
);`);
  expect(sql(duckdb, 'csv', disk)).toContain(`columns = {'order': 'BIGINT', 'at': 'TIMESTAMP WITH TIME ZONE', 'on': 'DATE', 'note': 'VARCHAR', 'id': 'VARCHAR', 'tags': 'VARCHAR', 'ratio': 'DOUBLE', 'is_test': 'BOOLEAN', 'cost': 'DECIMAL(38,21)'}`);
});

test('DuckDB reads a bucket with the reader’s credentials, at its endpoint', () => {
  expect(sql(duckdb, 'parquet', s3)).toContain(`CREATE OR REPLACE SECRET "lakehook_samples" (
  TYPE s3,
  PROVIDER credential_chain,
  REGION 'eu-west-1',
  SCOPE 's3://a-bucket/it''s/here/exports/samples/'
);
CREATE OR REPLACE VIEW "samples" AS`);
  expect(sql(duckdb, 'csv', compatible)).toContain(`  ENDPOINT 'minio:9000',
  USE_SSL false,
  URL_STYLE 'path',
  SCOPE 's3://a-bucket/it''s/here/exports/samples_csv/'
);`);
});

test('DuckDB matches columns by name once files of an earlier schema may be there', () => {
  expect((duckdb({ ...lakeOf('parquet'), dataset: { ...dataset, schemaVersion: 2 } }) as Catalogued).statements[1]).toContain('union_by_name = true');
});

const PROJECTED = `
  'projection.enabled' = 'true',
  'projection.year.type' = 'integer',
  'projection.year.range' = '2000,2099',
  'projection.year.digits' = '4',
  'projection.month.type' = 'integer',
  'projection.month.range' = '1,12',
  'projection.month.digits' = '2',
  'projection.day.type' = 'integer',
  'projection.day.range' = '1,31',
  'projection.day.digits' = '2',`;

test('Athena gets an external table whose partitions it computes, with two digits', () => {
  expect(sql(athena, 'parquet')).toBe(String.raw`CREATE EXTERNAL TABLE IF NOT EXISTS ¬samples¬ (
  ¬order¬ bigint COMMENT 'A word of SQL.',
  ¬at¬ timestamp COMMENT 'When.',
  ¬on¬ date COMMENT 'On what day.',
  ¬note¬ string COMMENT 'The writer\'s own.',
  ¬id¬ string COMMENT 'An id.',
  ¬tags¬ string COMMENT 'Tags.',
  ¬ratio¬ double COMMENT 'A ratio.',
  ¬is_test¬ boolean COMMENT 'Whether it is one.',
  ¬cost¬ DECIMAL(38,21) COMMENT 'What it cost.'
)
COMMENT 'What’s of use, "so to say" and \'so to speak\'.'
PARTITIONED BY (¬year¬ int, ¬month¬ int, ¬day¬ int)
STORED AS PARQUET
LOCATION 's3://a-bucket/it\'s/here/exports/samples/'
TBLPROPERTIES (${PROJECTED}
  'storage.location.template' = 's3://a-bucket/it\'s/here/exports/samples/year=$<year>/month=$<month>/day=$<day>/'
);`.replaceAll('¬', '`').replaceAll(/\$<(\w+)>/g, '${$1}'));
});

test('Trino gets the same by its own names', () => {
  expect(sql(trino, 'parquet')).toBe(`CREATE TABLE IF NOT EXISTS "samples" (
  "order" bigint COMMENT 'A word of SQL.',
  "at" timestamp(3) COMMENT 'When.',
  "on" date COMMENT 'On what day.',
  "note" varchar COMMENT 'The writer''s own.',
  "id" varchar COMMENT 'An id.',
  "tags" varchar COMMENT 'Tags.',
  "ratio" double COMMENT 'A ratio.',
  "is_test" boolean COMMENT 'Whether it is one.',
  "cost" DECIMAL(38,21) COMMENT 'What it cost.',
  "year" integer WITH (partition_projection_type = 'integer', partition_projection_range = ARRAY['2000', '2099'], partition_projection_digits = 4),
  "month" integer WITH (partition_projection_type = 'integer', partition_projection_range = ARRAY['1', '12'], partition_projection_digits = 2),
  "day" integer WITH (partition_projection_type = 'integer', partition_projection_range = ARRAY['1', '31'], partition_projection_digits = 2)
)
COMMENT 'What’s of use, "so to say" and ''so to speak''.'
WITH (
  external_location = 's3://a-bucket/it''s/here/exports/samples/',
  format = 'PARQUET',
  partitioned_by = ARRAY['year', 'month', 'day'],
  partition_projection_enabled = true,
  partition_projection_location_template = 's3://a-bucket/it''s/here/exports/samples/year=$<year>/month=$<month>/day=$<day>/'
);`.replaceAll(/\$<(\w+)>/g, '${$1}'));
});

test('Spark gets a table and looks for its partitions', () => {
  expect(sql(spark, 'csv', disk)).toBe(String.raw`CREATE TABLE IF NOT EXISTS ¬samples_csv¬ (
  ¬order¬ BIGINT COMMENT 'A word of SQL.',
  ¬at¬ TIMESTAMP COMMENT 'When.',
  ¬on¬ DATE COMMENT 'On what day.',
  ¬note¬ STRING COMMENT 'The writer\'s own.',
  ¬id¬ STRING COMMENT 'An id.',
  ¬tags¬ STRING COMMENT 'Tags.',
  ¬ratio¬ DOUBLE COMMENT 'A ratio.',
  ¬is_test¬ BOOLEAN COMMENT 'Whether it is one.',
  ¬cost¬ DECIMAL(38,21) COMMENT 'What it cost.',
  ¬year¬ INT,
  ¬month¬ INT,
  ¬day¬ INT
)
USING csv
OPTIONS ('header' = 'true', 'multiLine' = 'true', 'quote' = '"', 'escape' = '"')
PARTITIONED BY (¬year¬, ¬month¬, ¬day¬)
COMMENT 'What’s of use, "so to say" and \'so to speak\'.'
LOCATION 'file:///data/my lake\'s/exports/samples_csv/';
MSCK REPAIR TABLE ¬samples_csv¬;`.replaceAll('¬', '`'));
  expect(sql(spark, 'parquet')).toContain(`USING parquet\nPARTITIONED BY`);
});

/** What each engine makes of `order`, `at`, `tags` and `cost` in JSON. */
test.each<[string, string[]]>([
  ['duckdb', [`'order': 'BIGINT'`, `'at': 'TIMESTAMP WITH TIME ZONE'`, `'tags': 'JSON'`, `'cost': 'DOUBLE'`]],
  ['athena', ['`order` bigint', '`at` string', '`tags` string', '`cost` double', `'org.openx.data.jsonserde.JsonSerDe'`]],
  ['trino', ['"order" bigint', '"at" varchar', '"tags" varchar', '"cost" double', `format = 'OPENX_JSON'`]],
  ['spark', ['`order` BIGINT', '`at` TIMESTAMP', '`tags` STRING', '`cost` DECIMAL(38,21)', 'USING json']],
])('%s is told of JSON only the types that it reads without loss', (engine, expected) => {
  for (const part of expected) expect(sql(engines[engine]!, 'json')).toContain(part);
});

test.each<[string, Lake['format'], StoreSettings, object]>([
  ['athena', 'csv', s3, { by: 'format', detail: expect.stringContaining('as text only') }],
  ['trino', 'csv', s3, { by: 'format', detail: expect.stringContaining('as text only') }],
  ['athena', 'parquet', disk, { by: 'destination_id', detail: expect.stringContaining('at AWS') }],
  ['athena', 'parquet', compatible, { by: 'destination_id', detail: expect.stringContaining('at AWS') }],
])('%s refuses %s where it could not read it', (engine, format, store, refusal) => {
  expect(engines[engine]!(lakeOf(format, store))).toEqual(refusal);
});

test.each(Object.keys(engines))('%s is not told of a path that it would read as a pattern, an escape or a variable', (engine) => {
  for (const strange of ['*', '?', '[a]', '{a,b}', '${year}', '%41', '#', '\\', '\n']) {
    expect(engines[engine]!(lakeOf('parquet', { ...s3, prefix: `a${strange}b` })), strange).toEqual({ by: 'destination_id', detail: expect.stringContaining('does not take for itself') });
  }
});

test('no engine is told a credential of ours', () => {
  for (const engine of Object.values(engines)) expect(JSON.stringify(engine(lakeOf('parquet')))).not.toContain('planted');
});
