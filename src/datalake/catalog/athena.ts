import type { Column } from '../../platform/index.js';
import { type Catalogued, between, type Dialect, FOLDERS, hiveLiteral, type Lake, lines, locate, tableOf, typeOf, type Unreadable } from './lake.js';

const ATHENA: Dialect = {
  name: 'Athena',
  quote: (name) => between('`', name),
  literal: hiveLiteral,
  types: { text: 'string', uuid: 'string', json: 'string', integer: 'bigint', double: 'double', boolean: 'boolean', date: 'date', timestamp: 'timestamp' },
};

/** What its reader makes of JSON without guessing: it goes through DOUBLE for numbers with a point, and times need a pattern of fixed length. */
export const ATHENA_JSON_NOTE = 'Decimals of JSON are read as double and times as text (from_iso8601_timestamp reads them). Parquet keeps every digit and has types.';
export const CSV_REFUSAL = 'reads CSV as text only and takes a line break inside a field for the end of the row. Export Parquet or JSON for it';

/**
 * An external table whose partitions are computed from the query (partition projection): nothing has to be registered when a day is
 * added. Names of folders have two digits, which projection would not write by itself.
 */
export function athena(lake: Lake): Catalogued | Unreadable {
  const { dataset, format, store } = lake;
  const { quote, literal } = ATHENA;
  if (format === 'csv') return { by: 'format', detail: `Athena ${CSV_REFUSAL}` };
  if (store.type !== 's3' || store.endpoint !== undefined) return { by: 'destination_id', detail: 'must be a bucket at AWS: Athena reads no others' };
  const location = locate(lake, ATHENA, { disk: '' });
  if (typeof location !== 'string') return location;
  const columns = dataset.columns.map((column) => `${quote(column.name)} ${format === 'json' ? inJson(column) : typeOf(ATHENA, column)} COMMENT ${literal(column.description)}`);
  const properties = Object.entries({
    'projection.enabled': 'true',
    ...Object.fromEntries(FOLDERS.flatMap(({ name, digits, first, last }) => [[`projection.${name}.type`, 'integer'], [`projection.${name}.range`, `${first},${last}`], [`projection.${name}.digits`, String(digits)]])),
    'storage.location.template': location + FOLDERS.map(({ name }) => `${name}=\${${name}}/`).join(''),
  });
  return {
    location,
    statements: [[
      `CREATE EXTERNAL TABLE IF NOT EXISTS ${quote(tableOf(lake))} ${lines(columns)}`,
      `COMMENT ${literal(dataset.description)}`,
      `PARTITIONED BY (${FOLDERS.map(({ name }) => `${quote(name)} int`).join(', ')})`,
      format === 'parquet' ? 'STORED AS PARQUET' : `ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'`,
      `LOCATION ${literal(location)}`,
      `TBLPROPERTIES ${lines(properties.map(([name, value]) => `${literal(name)} = ${literal(value)}`))};`,
    ].join('\n')],
    notes: [
      `Years before ${FOLDERS[0].first} and after ${FOLDERS[0].last} are not seen. A narrower projection.year.range makes queries without a condition on the year faster.`,
      ...(format === 'json' ? [ATHENA_JSON_NOTE] : []),
    ],
  };
}

function inJson(column: Column): string {
  return typeof column.type === 'object' ? 'double' : column.type === 'timestamp' ? 'string' : typeOf(ATHENA, column);
}
