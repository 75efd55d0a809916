import type { Column, S3Settings } from '../../platform/index.js';
import { between, type Catalogued, type Dialect, FOLDERS, type Lake, lines, locate, tableOf, typeOf, type Unreadable } from './lake.js';

const DUCKDB: Dialect = {
  name: 'DuckDB',
  quote: (name) => between('"', name),
  literal: (text) => between("'", text),
  types: { text: 'VARCHAR', uuid: 'VARCHAR', json: 'VARCHAR', integer: 'BIGINT', double: 'DOUBLE', boolean: 'BOOLEAN', date: 'DATE', timestamp: 'TIMESTAMP WITH TIME ZONE' },
};

/** A row of `events` may hold a whole body, and what is between quotes has each of its own doubled. */
const MAX_LINE_BYTES = 16 * 1024 * 1024;

/**
 * A view over the files: each query lists them, opens those of the days it asks for, and sees what was exported since. The columns
 * are named one by one, so that folders of the form `name=value` above the lake do not become columns too.
 */
export function duckdb(lake: Lake): Catalogued | Unreadable {
  const { dataset, format, store } = lake;
  const { quote, literal } = DUCKDB;
  const location = locate(lake, DUCKDB, { disk: '' });
  if (typeof location !== 'string') return location;
  const files = literal(`${location}${FOLDERS.map(({ name }) => `${name}=*/`).join('')}*.${format}${format === 'parquet' ? '' : '*'}`);
  const columns = `{${dataset.columns.map((column) => `${literal(column.name)}: ${literal(readAs(column, lake))}`).join(', ')}}`;
  const options = {
    // A file from before a column was added lacks it.
    parquet: dataset.schemaVersion > 1 ? ['union_by_name = true'] : [],
    csv: ['auto_detect = false', 'header = true', `delim = ','`, `quote = '"'`, `escape = '"'`, `nullstr = ''`, 'allow_quoted_nulls = false', `max_line_size = ${MAX_LINE_BYTES}`, `columns = ${columns}`],
    json: [`format = 'newline_delimited'`, `columns = ${columns}`],
  }[format];
  const hive = ['hive_partitioning = true', `hive_types = {${FOLDERS.map(({ name }) => `${literal(name)}: INTEGER`).join(', ')}}`];
  const names = [...dataset.columns, ...FOLDERS].map(({ name }) => quote(name));
  return {
    location,
    statements: [
      ...(store.type === 's3' ? [secretFor(store, tableOf(lake), location)] : []),
      `CREATE OR REPLACE VIEW ${quote(tableOf(lake))} AS\nSELECT ${names.join(', ')}\nFROM read_${format}${lines([files, ...options, ...hive])};`,
    ],
    notes: [
      ...(store.type === 's3' ? ['Reads with your own credentials, as the AWS SDK finds them (environment, profile, role).'] : []),
      ...(format === 'json' && dataset.columns.some(({ type }) => typeof type === 'object') ? ['DuckDB reads the numbers of JSON as DOUBLE. Parquet and CSV keep every digit of decimals.'] : []),
    ],
  };
}

function readAs(column: Column, { format }: Lake): string {
  if (format !== 'json') return typeOf(DUCKDB, column);
  return typeof column.type === 'object' ? 'DOUBLE' : column.type === 'json' ? 'JSON' : typeOf(DUCKDB, column);
}

/** What is secret about it, the reader's machine knows: credentials of ours are never shown. */
function secretFor({ region, endpoint, pathStyle }: S3Settings, table: string, location: string): string {
  const { literal } = DUCKDB;
  const url = endpoint === undefined ? undefined : new URL(endpoint);
  const options = [
    'TYPE s3', 'PROVIDER credential_chain', `REGION ${literal(region)}`,
    ...(url ? [`ENDPOINT ${literal(url.host)}`, `USE_SSL ${url.protocol === 'https:'}`] : []),
    ...(pathStyle ? [`URL_STYLE 'path'`] : []),
    `SCOPE ${literal(location)}`,
  ];
  return `CREATE OR REPLACE SECRET ${DUCKDB.quote(`lakehook_${table}`)} ${lines(options)};`;
}
