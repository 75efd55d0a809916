import { between, type Catalogued, type Dialect, FOLDERS, hiveLiteral, type Lake, lines, locate, tableOf, typeOf, type Unreadable } from './lake.js';

const SPARK: Dialect = {
  name: 'Spark',
  quote: (name) => between('`', name),
  literal: hiveLiteral,
  types: { text: 'STRING', uuid: 'STRING', json: 'STRING', integer: 'BIGINT', double: 'DOUBLE', boolean: 'BOOLEAN', date: 'DATE', timestamp: 'TIMESTAMP' },
};

const OPTIONS = {
  parquet: {},
  csv: { header: 'true', multiLine: 'true', quote: '"', escape: '"' },
  json: {},
};

/** A table over the files, whose partitions Spark looks for when it is told to. */
export function spark(lake: Lake): Catalogued | Unreadable {
  const { dataset, format, store } = lake;
  const { quote, literal } = SPARK;
  const location = locate(lake, SPARK, { disk: 'file://', s3: 's3a://' });
  if (typeof location !== 'string') return location;
  const columns = dataset.columns.map((column) => `${quote(column.name)} ${typeOf(SPARK, column)} COMMENT ${literal(column.description)}`);
  const folders = FOLDERS.map(({ name }) => `${quote(name)} INT`);
  const options = Object.entries(OPTIONS[format]).map(([name, value]) => `${literal(name)} = ${literal(value)}`);
  const table = quote(tableOf(lake));
  return {
    location,
    statements: [
      [
        `CREATE TABLE IF NOT EXISTS ${table} ${lines([...columns, ...folders])}`,
        `USING ${format}`,
        ...(options.length > 0 ? [`OPTIONS (${options.join(', ')})`] : []),
        `PARTITIONED BY (${FOLDERS.map(({ name }) => quote(name)).join(', ')})`,
        `COMMENT ${literal(dataset.description)}`,
        `LOCATION ${literal(location)};`,
      ].join('\n'),
      `MSCK REPAIR TABLE ${table};`,
    ],
    notes: [
      `MSCK REPAIR TABLE finds the days that were added since it was run last.`,
      ...(store.type === 's3' ? [store.endpoint === undefined ? 'Amazon EMR wants s3:// for s3a://.' : `Start Spark with spark.hadoop.fs.s3a.endpoint=${store.endpoint}${store.pathStyle ? ' and spark.hadoop.fs.s3a.path.style.access=true' : ''}.`] : []),
      ...(store.type === 'disk' ? ['The folder must be there under the same path on every node.'] : []),
    ],
  };
}
