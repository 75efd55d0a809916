import type { Column } from '../../platform/index.js';
import { ATHENA_JSON_NOTE, CSV_REFUSAL } from './athena.js';
import { between, type Catalogued, type Dialect, FOLDERS, type Lake, lines, locate, tableOf, typeOf, type Unreadable } from './lake.js';

const TRINO: Dialect = {
  name: 'Trino',
  quote: (name) => between('"', name),
  literal: (text) => between("'", text),
  types: { text: 'varchar', uuid: 'varchar', json: 'varchar', integer: 'bigint', double: 'double', boolean: 'boolean', date: 'date', timestamp: 'timestamp(3)' },
};

/** An external table of the Hive connector, with the same projection of partitions that Athena has. */
export function trino(lake: Lake): Catalogued | Unreadable {
  const { dataset, format, store } = lake;
  const { quote, literal } = TRINO;
  if (format === 'csv') return { by: 'format', detail: `Trino ${CSV_REFUSAL}` };
  const location = locate(lake, TRINO, { disk: 'file://' });
  if (typeof location !== 'string') return location;
  const columns = dataset.columns.map((column) => `${quote(column.name)} ${format === 'json' ? inJson(column) : typeOf(TRINO, column)} COMMENT ${literal(column.description)}`);
  const folders = FOLDERS.map(({ name, digits, first, last }) => `${quote(name)} integer WITH (partition_projection_type = 'integer', partition_projection_range = ARRAY['${first}', '${last}'], partition_projection_digits = ${digits})`);
  const properties = [
    `external_location = ${literal(location)}`,
    `format = '${format === 'parquet' ? 'PARQUET' : 'OPENX_JSON'}'`,
    `partitioned_by = ARRAY[${FOLDERS.map(({ name }) => literal(name)).join(', ')}]`,
    'partition_projection_enabled = true',
    `partition_projection_location_template = ${literal(location + FOLDERS.map(({ name }) => `${name}=\${${name}}/`).join(''))}`,
  ];
  return {
    location,
    statements: [`CREATE TABLE IF NOT EXISTS ${quote(tableOf(lake))} ${lines([...columns, ...folders])}\nCOMMENT ${literal(dataset.description)}\nWITH ${lines(properties)};`],
    notes: [
      'For a catalog of the Hive connector, in the schema at hand (USE catalog.schema).',
      ...(format === 'parquet' && dataset.columns.some(({ type }) => type === 'timestamp') ? ['Where hive.timestamp-precision is not MILLISECONDS, write timestamp(6) for MICROSECONDS. Times are UTC.'] : []),
      ...(store.type === 'disk' ? ['The folder must be there under the same path on every node.'] : []),
      ...(format === 'json' ? [ATHENA_JSON_NOTE] : []),
    ],
  };
}

function inJson(column: Column): string {
  return typeof column.type === 'object' ? 'double' : column.type === 'timestamp' ? 'varchar' : typeOf(TRINO, column);
}
