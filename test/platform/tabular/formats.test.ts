import { readFileSync } from 'node:fs';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { expect, onTestFinished, test } from 'vitest';
import type { Column, Format } from '../../../src/platform/tabular/table.js';
import { TableWriter } from '../../../src/platform/tabular/table-writer.js';
import { duck, newFolder, useTables } from '../../support/tables.js';

/** What is written is what Postgres holds, says an engine that is not ours. */

const TEXTS = [
  '', ' ', 'plain', 'a,b;c\td', '"', '""', 'say "hi"', 'line\nbreak', 'cr\rlf\r\n', '\n', '\\N', '\\.', 'back\\slash\\', '\\"', '\\n', "it's", '=1+1', '+1', '-1', '@SUM(A1)', '\t=1', '\r=1',
  'ü € 𝄞 😀 \u2028 \u2029', '\ufeffbom', '\u0001\u0008\u000b\u000c\u001f\u007f', 'NULL', 'null', 'true', '0x00', '＝1+1', 'x'.repeat(300_000), '日本語'.repeat(40), '{"a":1}',
];
const DOUBLES = ['0', '-0', '0.1', '1e-300', '1.7976931348623157e308', '5e-324', '123456789.123456789', '-1.5'];
const TIMES = ['2024-12-01 08:30:00.123456+00', '1969-12-31 23:59:59.999999+00', '0001-01-01 00:00:00+00', '9999-12-31 23:59:59.999999+00', '2024-02-29 00:00:00.5+00', '1970-01-01 00:00:00+00', '2000-01-01 00:00:00+00', '1582-10-15 12:00:00.000001+00'];
const DATES = ['2024-12-01', '1969-12-31', '0001-01-01', '9999-12-31', '2024-02-29', '1970-01-01', '2000-01-01', '1582-10-15'];
const SMALL = ['0', '0.0', '-0.0000000001', '0.0000000001', '99999999.9999999999', '-99999999.9999999999', '1.50', '12345678.123456789', '1000', '100000000000000000000e-13'];
const LARGE = ['0', '0.000000000000000000001', '-0.000000000000000000001', '99999999999999999.999999999999999999999', '-99999999999999999.999999999999999999999', '1.5000000000000000000000000', '123456.789', '4294967296', '18446744073709551616e-5', '0.123456789012345678901'];
const INTEGERS = ['0', '-1', '9223372036854775807', '-9223372036854775808', '4294967296', '2147483648', '1', '42'];
const JSONS = ['{"a": [1, 2.50, "x\\ny"], "b": null}', '"text"', '-5', '[]', '{"quote": "\\"", "back": "\\\\", "uni": "\\u00e9é😀"}', '{\n  "pretty":\t"yes"\r\n}', 'null', 'true'];

const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;
const array = (texts: string[], type: string): string => `(ARRAY[${texts.map(literal).join(',')}]::${type}[])[1 + (i - 1) % ${texts.length}]`;

const tables = useTables(`
  CREATE TABLE things AS SELECT i AS n, ${array(TEXTS, 'text')} AS txt, ('018f0000-0000-7000-8000-0000000000' || lpad(to_hex(i), 2, '0'))::uuid AS id, ${array(JSONS, 'json')} AS doc,
    ${array(INTEGERS, 'bigint')} AS whole, ${array(DOUBLES, 'float8')} AS dbl, i % 2 = 0 AS flag, ${array(DATES, 'date')} AS day, ${array(TIMES, 'timestamptz')} AS moment,
    ${array(SMALL, 'numeric')} AS small, ${array(LARGE, 'numeric')} AS large
  FROM generate_series(1, ${TEXTS.length}) i;
  INSERT INTO things (n) VALUES (1000), (1001);
`);

const column = (name: string, type: Column['type'], more: Partial<Column> = {}): Column => ({ name, type, nullable: true, ...more });
const COLUMNS: Column[] = [
  column('n', 'integer', { nullable: false }), column('txt', 'text'), column('id', 'uuid'), column('doc', 'json', { dictionary: true }), column('whole', 'integer'), column('dbl', 'double'),
  column('flag', 'boolean'), column('day', 'date'), column('moment', 'timestamp'), column('small', { decimal: 10 }), column('large', { decimal: 21 }),
];
const SELECT = `SELECT ${COLUMNS.map(({ name }) => name).join(', ')} FROM things ORDER BY n -- with a comment`;
const part = (format: Format) => ({ select: SELECT, columns: COLUMNS, format });

/** Every value as a text that says all of it, in both dialects. */
const TELLING = `n::text AS n, md5(txt) AS txt, id::text AS id, doc, whole::text AS whole, flag::text AS flag, day::text AS day, small::decimal(38,10)::text AS small, large::decimal(38,21)::text AS large`;
const MICROS = "CASE WHEN moment IS NULL THEN NULL ELSE (extract(epoch FROM moment)::numeric * 1000000)::bigint::text END AS moment";

/** There are two ways to print the same double. */
const read = (row: Record<string, unknown>) => ({ ...row, dbl: row.dbl === null ? null : Number(row.dbl) });

test.each(['none', 'snappy', 'gzip', 'zstd'] as const)('Parquet (%s) gives back every value, its type and its sums', async (compression) => {
  const { files, paths } = await tables.write({ ...part({ kind: 'parquet', compression }), metadata: { dataset: 'things', schema_version: '3' } });
  const file = literal(paths[0]!);
  const said = await duck(`SELECT ${TELLING}, epoch_us(moment)::text AS moment, dbl FROM ${file} AS things ORDER BY things.n`);
  const meant = await tables.rows(`SELECT ${TELLING.replace('doc', 'doc::text AS doc')}, ${MICROS}, dbl FROM things ORDER BY things.n`);
  expect(said.map(read)).toEqual(meant.map(read));

  expect(await duck(`SELECT column_name AS name, column_type AS type FROM (DESCRIBE SELECT * FROM ${file})`)).toEqual([
    ['n', 'BIGINT'], ['txt', 'VARCHAR'], ['id', 'VARCHAR'], ['doc', 'VARCHAR'], ['whole', 'BIGINT'], ['dbl', 'DOUBLE'], ['flag', 'BOOLEAN'], ['day', 'DATE'], ['moment', 'TIMESTAMP WITH TIME ZONE'], ['small', 'DECIMAL(18,10)'], ['large', 'DECIMAL(38,21)'],
  ].map(([name, type]) => ({ name, type })));
  const schema = await duck(`SELECT name, type, logical_type, repetition_type FROM parquet_schema(${file}) WHERE name IN ('n', 'txt', 'moment', 'day', 'small', 'large')`);
  expect(schema).toEqual([
    expect.objectContaining({ name: 'n', type: 'INT64', repetition_type: 'REQUIRED' }),
    expect.objectContaining({ name: 'txt', type: 'BYTE_ARRAY', logical_type: 'StringType()', repetition_type: 'OPTIONAL' }),
    expect.objectContaining({ name: 'day', type: 'INT32', logical_type: 'DateType()' }),
    expect.objectContaining({ name: 'moment', type: 'INT64', logical_type: expect.stringMatching(/^TimestampType\(isAdjustedToUTC=1, .*MICROS/) as string }),
    expect.objectContaining({ name: 'small', type: 'INT64', logical_type: 'DecimalType(scale=10, precision=18)' }),
    expect.objectContaining({ name: 'large', type: 'FIXED_LEN_BYTE_ARRAY', logical_type: 'DecimalType(scale=21, precision=38)' }),
  ]);

  const [{ codecs, ...stats } = { codecs: '' }] = await duck(`SELECT list(DISTINCT compression)::text AS codecs, max(stats_max) FILTER (path_in_schema = 'n') AS max_n, min(stats_min) FILTER (path_in_schema = 'day') AS min_day,
    max(stats_null_count) FILTER (path_in_schema = 'txt')::int AS nulls, max(stats_max) FILTER (path_in_schema = 'small') AS max_small FROM parquet_metadata(${file})`);
  expect(codecs).toBe(`[${compression === 'none' ? 'UNCOMPRESSED' : compression.toUpperCase()}]`);
  expect(stats).toEqual({ max_n: '1001', min_day: '0001-01-01', nulls: 2, max_small: '99999999.9999999999' });
  expect(await duck(`SELECT created_by LIKE 'lakehook version %' AS ours, num_rows::int AS rows FROM parquet_file_metadata(${file})`)).toEqual([{ ours: true, rows: TEXTS.length + 2 }]);

  const [sums] = await tables.rows('SELECT sum(small)::decimal(38,10)::text AS small, sum(large)::decimal(38,21)::text AS large FROM things');
  expect(files).toEqual([expect.objectContaining({ rows: TEXTS.length + 2, sums })]);
  const metadata = await duck(`SELECT decode(key) AS key, decode(value) AS value FROM parquet_kv_metadata(${file}) WHERE decode(key) <> 'ARROW:schema'`);
  expect(metadata).toEqual([['dataset', 'things'], ['schema_version', '3'], ['row_count', String(TEXTS.length + 2)], ['sum(small)', sums!.small], ['sum(large)', sums!.large]].map(([key, value]) => ({ key, value })));
});

test.each(['none', 'gzip', 'zstd'] as const)('CSV (%s) gives back every value and tells an empty text from none', async (compression) => {
  const { files, paths } = await tables.write(part({ kind: 'csv', compression }));
  const text = unpacked(paths[0]!, compression);
  const [header, ...records] = parseCsv(text);
  expect(header).toEqual(COLUMNS.map(({ name }) => name));
  const meant = await tables.rows(`SELECT n, txt, id, doc::text, whole, dbl, flag::text, day, moment::text, small, large FROM things ORDER BY n`);
  expect(records).toEqual(meant.map((row) => COLUMNS.map(({ name }) => row[name])));
  expect(files[0]!.sums).toEqual((await tables.rows('SELECT sum(small)::decimal(38,10)::text AS small, sum(large)::decimal(38,21)::text AS large FROM things'))[0]);

  const [counts] = await duck(`SELECT count(*)::int AS rows, sum(small)::text AS small, sum(large)::text AS large, count(txt)::int AS texts FROM read_csv(${literal(paths[0]!)}, max_line_size = 1000000, quote = '"', escape = '"', allow_quoted_nulls = false,
    columns = {n: 'BIGINT', txt: 'VARCHAR', id: 'UUID', doc: 'VARCHAR', whole: 'BIGINT', dbl: 'DOUBLE', flag: 'BOOLEAN', day: 'DATE', moment: 'TIMESTAMPTZ', small: 'DECIMAL(38,10)', large: 'DECIMAL(38,21)'})`);
  expect(counts).toEqual({ rows: TEXTS.length + 2, ...files[0]!.sums, texts: TEXTS.length });
});

const number = (text: string | null): string | null => (text === null ? null : `#${text}`);

test.each(['none', 'gzip', 'zstd'] as const)('JSON lines (%s) give back every value, numbers with all their digits', async (compression) => {
  const { files, paths } = await tables.write(part({ kind: 'json', compression }));
  const lines = unpacked(paths[0]!, compression).split('\n');
  expect(lines.pop()).toBe('');
  const meant = await tables.rows(`SELECT n, txt, id, doc::text, whole, dbl, flag::text, day, moment::text, small, large FROM things ORDER BY n`);
  expect(lines).toHaveLength(meant.length);
  for (const [index, line] of lines.entries()) {
    // JSON.parse has no place for all digits: each number stands for its own text.
    const row = JSON.parse(line, (_key, value, context?: { source?: string }) => (typeof value === 'number' ? `#${context!.source!}` : value)) as Record<string, unknown>;
    const { doc, moment, ...rest } = meant[index]!;
    expect(Object.keys(row)).toEqual(COLUMNS.map(({ name }) => name));
    expect(row).toMatchObject({ ...rest, n: number(rest.n!), whole: number(rest.whole!), dbl: number(rest.dbl!), small: number(rest.small!), large: number(rest.large!), flag: rest.flag && rest.flag === 'true' });
    expect(row.moment).toBe(moment === null ? null : moment!.replace(' ', 'T').replace('+00', 'Z'));
    expect(row.doc).toEqual(doc === null ? null : JSON.parse(doc!, (_key, value, context?: { source?: string }) => (typeof value === 'number' ? `#${context!.source!}` : value)));
  }
  expect(files[0]!.sums).toEqual((await tables.rows('SELECT sum(small)::decimal(38,10)::text AS small, sum(large)::decimal(38,21)::text AS large FROM things'))[0]);
  expect(await duck(`SELECT count(*)::int AS rows, max(moment)::text AS last FROM read_json(${literal(paths[0]!)}, format = 'newline_delimited', maximum_object_size = 4000000, columns = {n: 'BIGINT', moment: 'TIMESTAMPTZ'})`))
    .toEqual([{ rows: TEXTS.length + 2, last: '9999-12-31 23:59:59.999999+00' }]);
});

test('what the URL of the database sets for its connections changes no value', async () => {
  const url = new URL(tables.url);
  url.searchParams.set('options', '-c search_path=public -c timezone=Europe/Berlin -c datestyle=German -c extra_float_digits=-5');
  const writer = await TableWriter.open({ databaseUrl: url.href, store: { type: 'disk', folder: newFolder() } });
  onTestFinished(() => writer.close());
  for (const kind of ['csv', 'json'] as const) {
    const asked = { ...part({ kind, compression: 'none' }), key: `data.${kind}`, fileBytes: 1e9, metadata: {} };
    const [file] = await writer.write(asked);
    expect(file!.sha256, kind).toBe((await tables.write(asked)).files[0]!.sha256);
  }
});

test('formula-safe CSV puts an apostrophe in front of what a spreadsheet would run, and leaves numbers alone', async () => {
  const { paths } = await tables.write(part({ kind: 'csv', compression: 'none', formulaSafe: true }));
  const [, ...records] = parseCsv(unpacked(paths[0]!, 'none'));
  const dangerous = /^[=+\-@\t\r\n＝＋－＠]/;
  expect(records.map((record) => record[1])).toEqual([...TEXTS.map((text) => (dangerous.test(text) ? `'${text}` : text)), null, null]);
  const meant = await tables.rows('SELECT n, small, large, whole FROM things ORDER BY n');
  expect(records.map(([n, , , , whole, , , , , small, large]) => ({ n, small, large, whole }))).toEqual(meant);
});

test('what JSON has no number for is a text there, and what Parquet has no time for fails by the name of its column', async () => {
  const select = "SELECT 'NaN'::float8 AS a, '-infinity'::float8 AS b, 'infinity'::timestamptz AS t, '-infinity'::date AS d";
  const columns = [column('a', 'double'), column('b', 'double'), column('t', 'timestamp'), column('d', 'date')];
  const json = await tables.write({ select, columns, format: { kind: 'json', compression: 'none' } });
  expect(readFileSync(json.paths[0]!, 'utf8')).toBe('{"a":"NaN","b":"-Infinity","t":"infinity","d":"-infinity"}\n');
  await expect(tables.write({ select, columns, format: { kind: 'parquet', compression: 'none' } })).rejects.toMatchObject({ name: 'UnfitValue', column: 't' });
  await expect(tables.write({ select, columns: columns.map((each) => (each.name === 't' ? { ...each, type: 'text' } : each)), format: { kind: 'parquet', compression: 'none' } })).rejects.toMatchObject({ name: 'UnfitValue', column: 'd' });
});

test.each([
  ["'NaN'", /NaN/], ["'-Infinity'", /NaN or an infinite/], ['1e28', /too large for DECIMAL\(38,10\)/], ['-1e28', /too large/], ['1e300', /too large/], ['0.00000000001', /more than 10 digits/], ['123456789012345678.12345678901', /more than 10 digits/],
])('a decimal that does not fit (%s) fails in every format, by the name of its column', async (value, message) => {
  for (const kind of ['parquet', 'csv', 'json'] as const) {
    const writing = tables.write({ select: `SELECT 1 AS n, ${value}::numeric AS amount`, columns: [column('n', 'integer'), column('amount', { decimal: 10 })], format: { kind, compression: 'none' } });
    await expect(writing, kind).rejects.toMatchObject({ name: 'UnfitValue', column: 'amount', message: expect.stringMatching(message) as string });
  }
});

const rowsWith = (last: string) => `SELECT n, n + 0.5 AS a, 1.5 AS b FROM generate_series(1, 40000) n UNION ALL SELECT 40001, ${last}, -99999999.9999999999 ORDER BY 1`;

test('decimals take 18 digits as long as they do, and 38 in the whole part from the first that does not', async () => {
  const columns = [column('n', 'integer'), column('a', { decimal: 10 }), column('b', { decimal: 10 })];
  const typeOf = async (select: string) => {
    const { paths, files } = await tables.write({ select, columns, format: { kind: 'parquet', compression: 'zstd' } });
    const [types] = await duck(`SELECT typeof(a) AS a, typeof(b) AS b, sum(a)::text AS sum FROM ${literal(paths[0]!)} GROUP BY 1, 2`);
    return { a: types!.a, b: types!.b, same: files[0]!.sums.a === types!.sum };
  };
  expect(await typeOf(rowsWith('99999999.9999999999'))).toEqual({ a: 'DECIMAL(18,10)', b: 'DECIMAL(18,10)', same: true });
  expect(await typeOf(rowsWith('-100000000'))).toEqual({ a: 'DECIMAL(38,10)', b: 'DECIMAL(18,10)', same: true });
  expect(await typeOf(rowsWith('9999999999999999999999999999.9999999999'))).toEqual({ a: 'DECIMAL(38,10)', b: 'DECIMAL(18,10)', same: true });
});

test('no rows make a file all the same: a header, a schema, nothing', async () => {
  const none = { select: `${SELECT.split(' ORDER')[0]} WHERE false`, columns: COLUMNS };
  const csv = await tables.write({ ...none, format: { kind: 'csv', compression: 'none' } });
  expect(readFileSync(csv.paths[0]!, 'utf8')).toBe(`${COLUMNS.map(({ name }) => name).join(',')}\r\n`);
  const json = await tables.write({ ...none, format: { kind: 'json', compression: 'gzip' } });
  expect(unpacked(json.paths[0]!, 'gzip')).toBe('');
  const parquet = await tables.write({ ...none, format: { kind: 'parquet', compression: 'zstd' } });
  expect(await duck(`SELECT count(*)::int AS rows, sum(small) AS sum FROM ${literal(parquet.paths[0]!)}`)).toEqual([{ rows: 0, sum: null }]);
  expect(parquet.files).toEqual([expect.objectContaining({ rows: 0, sums: { small: '0.0000000000', large: '0.000000000000000000000' } })]);
});

test('a name that is an SQL keyword, or full of quotes, names its column', async () => {
  const names = ['select', 'a "b", c', 'ü'];
  const columns = names.map((name) => column(name, 'integer'));
  const select = 'SELECT 1, 2, 3';
  const csv = await tables.write({ select, columns, format: { kind: 'csv', compression: 'none' } });
  expect(parseCsv(readFileSync(csv.paths[0]!, 'utf8'))).toEqual([names, ['1', '2', '3']]);
  const json = await tables.write({ select, columns, format: { kind: 'json', compression: 'none' } });
  expect(JSON.parse(readFileSync(json.paths[0]!, 'utf8'))).toEqual({ select: 1, 'a "b", c': 2, ü: 3 });
  const parquet = await tables.write({ select, columns, format: { kind: 'parquet', compression: 'zstd' } });
  expect(await duck(`SELECT * FROM ${literal(parquet.paths[0]!)}`)).toEqual([{ select: '1', 'a "b", c': '2', ü: '3' }]);
});

function unpacked(path: string, compression: Format['compression']): string {
  const bytes = readFileSync(path);
  return (compression === 'gzip' ? gunzipSync(bytes) : compression === 'zstd' ? zstdDecompressSync(bytes) : bytes).toString('utf8');
}

/** RFC 4180, to the letter: records end in CR LF, a field is quoted or has neither quote, comma nor line break. An unquoted empty field is null. */
function parseCsv(text: string): (string | null)[][] {
  const records: (string | null)[][] = [];
  const field = /("(?:[^"]|"")*"|[^",\r\n]*)(,|\r\n)/y;
  let record: (string | null)[] = [];
  while (field.lastIndex < text.length) {
    const at = field.lastIndex;
    const match = field.exec(text);
    if (!match) throw new Error(`no CSV at ${at}: ${JSON.stringify(text.slice(at, at + 40))}`);
    const [, content, end] = match as unknown as [string, string, string];
    record.push(content.startsWith('"') ? content.slice(1, -1).replaceAll('""', '"') : content === '' ? null : content);
    if (end === ',') continue;
    records.push(record);
    record = [];
  }
  return records;
}
