import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { StoreFault } from '../../../src/platform/storage/store.js';
import type { Column, Format } from '../../../src/platform/tabular/table.js';
import { TableWriter } from '../../../src/platform/tabular/table-writer.js';
import { withClient } from '../../support/database.js';
import { eventually } from '../../support/eventually.js';
import { duck, extensionOf, filesBelow, newFolder, useTables } from '../../support/tables.js';

/** How a table becomes files: where they end, that they come out the same again, and that nothing is left of those that failed. */

const tables = useTables(`
  CREATE TABLE lines AS SELECT n, md5(n::text) AS word, n / 7.0 AS amount, repeat(md5((n * 3)::text), 2) AS filler FROM generate_series(1, 140000) n;
  ALTER TABLE lines ADD PRIMARY KEY (n);
`);
const COLUMNS: Column[] = [
  { name: 'n', type: 'integer', nullable: false }, { name: 'word', type: 'text', nullable: false }, { name: 'amount', type: { decimal: 21 }, nullable: false }, { name: 'filler', type: 'text', nullable: true },
];
const SELECT = 'SELECT n, word, amount, filler FROM lines ORDER BY n';
const FORMATS: Format[] = [
  { kind: 'parquet', compression: 'zstd' }, { kind: 'csv', compression: 'none' }, { kind: 'csv', compression: 'gzip' }, { kind: 'json', compression: 'zstd' },
];
const named = FORMATS.map((format) => [`${format.kind}, ${format.compression}`, format] as const);
const part = (format: Format, key = `data${extensionOf(format)}`) => ({ select: SELECT, columns: COLUMNS, format, key, fileBytes: 128 * 1024 * 1024, metadata: {} });

test.each(named)('the same rows give the same bytes, in as many files (%s)', async (_, format) => {
  const [first, second] = [await tables.write({ ...part(format), fileBytes: 3_000_000 }), await tables.write({ ...part(format), fileBytes: 3_000_000 })];
  expect(second.files.map(({ token: _token, ...file }) => file)).toEqual(first.files.map(({ token: _token, ...file }) => file));
  expect(first.files.length).toBeGreaterThan(1);
});

/** A group of Parquet's, the least that a file of its can have. */
const GROUP_ROWS = 131_072;

test.each(named)('files are split near their size, and hold each row once, with sums of their own (%s)', async (_, format) => {
  const { files, paths } = await tables.write({ ...part(format, `day/costs_20241201${extensionOf(format)}`), fileBytes: 3_000_000 });
  expect(files.map(({ key }) => key)).toEqual(files.map((_file, index) => `day/costs_20241201${index === 0 ? '' : `_part${index + 1}`}${extensionOf(format)}`));
  if (format.kind === 'parquet') expect(files.map(({ rows }) => rows)).toEqual([GROUP_ROWS, 140_000 - GROUP_ROWS]);
  else for (const [index, { bytes }] of files.entries()) expect(bytes >= 3_000_000 || index === files.length - 1, `${bytes} bytes`).toBe(true);
  if (format.kind !== 'parquet') expect(Math.max(...files.map(({ bytes }) => bytes))).toBeLessThan(4_000_000);
  const read = { parquet: 'read_parquet', csv: 'read_csv', json: 'read_json' }[format.kind];
  const types = format.kind === 'parquet' ? '' : ", columns = {n: 'BIGINT', word: 'VARCHAR', amount: 'DECIMAL(38,21)', filler: 'VARCHAR'}";
  let from = 1;
  for (const [index, path] of paths.entries()) {
    const [said] = await duck(`SELECT count(*)::int AS rows, count(DISTINCT n)::int AS different, min(n)::int AS first, max(n)::int AS last, sum(amount)::text AS sum FROM ${read}('${path}'${types})`);
    const { rows, sums } = files[index]!;
    // A JSON number is a double to DuckDB.
    if (format.kind === 'json') said!.sum = sumOf(path, format.compression);
    expect(said).toEqual({ rows, different: rows, first: from, last: from + rows - 1, sum: sums.amount });
    from += rows;
  }
  expect(from).toBe(140_001);
});

test('uncompressed text ends with the row that reaches the size, to the byte', async () => {
  const { files, paths } = await tables.write({ ...part({ kind: 'csv', compression: 'none' }), fileBytes: 5_000_000 });
  for (const [index, { bytes }] of files.slice(0, -1).entries()) {
    const text = readFileSync(paths[index]!, 'utf8');
    const lastLine = text.length - 2 - text.lastIndexOf('\r\n', text.length - 3);
    expect(bytes).toBeGreaterThanOrEqual(5_000_000);
    expect(bytes - lastLine).toBeLessThan(5_000_000);
  }
});

test('each file has a row at least, however small files shall be, and none comes behind the last row', async () => {
  const select = 'SELECT n, word, amount, filler FROM lines WHERE n <= 10 ORDER BY n';
  for (const [, format] of named) expect((await tables.write({ ...part(format), select, fileBytes: 1 })).files.every(({ rows }) => rows > 0), format.kind).toBe(true);
  const { files } = await tables.write({ ...part({ kind: 'json', compression: 'none' }), select, fileBytes: 1 });
  expect(files.map(({ rows }) => rows)).toEqual(Array.from({ length: 10 }, () => 1));
});

test('all that one writer reads shows one moment, also what is committed meanwhile', async () => {
  const folder = newFolder();
  const writer = await tables.open(folder);
  expect(Math.abs(writer.snapshotAt.getTime() - Date.now())).toBeLessThan(60_000);
  await withClient(tables.url, async (client) => {
    await client.query("INSERT INTO lines (n, word, amount) VALUES (0, 'later', 1)");
    expect(await writer.rows('SELECT count(*) AS count, min(n) AS first, NULL AS nothing FROM lines')).toEqual([{ count: '140000', first: '1', nothing: null }]);
    const [file] = await writer.write(part({ kind: 'csv', compression: 'zstd' }));
    expect(file!.rows).toBe(140_000);
    await client.query('DELETE FROM lines WHERE n = 0');
  });
});

test('progress tells rows and bytes, up to all of them', async () => {
  const writer = await tables.open(newFolder());
  const seen: number[] = [];
  // Slow enough to be asked about: half a second at least.
  await writer.write({ ...part({ kind: 'json', compression: 'none' }), select: `SELECT n, word, amount, filler FROM lines, LATERAL (SELECT pg_sleep(CASE WHEN n % 100000 = 0 THEN 0.7 ELSE 0 END)) s ORDER BY n` }, ({ rows, bytes }) => {
    expect(bytes).toBeGreaterThan(rows * 100);
    seen.push(rows);
  });
  expect(seen.length).toBeGreaterThan(0);
  expect(seen).toEqual(seen.toSorted((a, b) => a - b));
});

test.each(named)('an abort in the middle ends with its own reason, and nothing is left (%s)', async (_, format) => {
  const folder = newFolder();
  const aborting = new AbortController();
  const writer = await tables.open(folder, aborting.signal);
  const reason = new Error('cancelled by its owner');
  const slow = `SELECT n, word, amount, filler FROM lines, LATERAL (SELECT pg_sleep(CASE WHEN n % 20000 = 0 THEN 0.5 ELSE 0 END)) s ORDER BY n`;
  const writing = writer.write({ ...part(format), select: slow, fileBytes: 1_000_000 });
  const outcome = expect(writing).rejects.toBe(reason);
  await eventually('a file that is begun', () => filesBelow(folder).length > 0);
  aborting.abort(reason);
  await outcome;
  expect(filesBelow(folder)).toEqual([]);
  await expect(writer.write(part(format))).rejects.toBe(reason);
  await eventually('the end of its session', async () => (await tables.rows("SELECT FROM pg_stat_activity WHERE application_name = 'lakehook-export' AND datname = current_database()")).length === 0);
});

test.each(named.slice(0, 2))('a writer that is told to work a sixteenth of the time takes much longer, and writes the same (%s)', async (_, format) => {
  const took = [];
  for (const share of [1, 1 / 16]) {
    const writer = await tables.open(newFolder(), undefined, () => share);
    const begun = performance.now();
    const files = await writer.write(part(format));
    took.push({ ms: performance.now() - begun, sums: files.map(({ sha256 }) => sha256) });
  }
  expect(took[1]!.sums).toEqual(took[0]!.sums);
  expect(took[1]!.ms).toBeGreaterThan(2 * took[0]!.ms);
});

test('a writer that was aborted before it began does not begin', async () => {
  const reason = new Error('too late');
  await expect(tables.open(newFolder(), AbortSignal.abort(reason))).rejects.toBe(reason);
});

test('an error of Postgres in the middle comes out with its code, and nothing is left', async () => {
  const folder = newFolder();
  for (const [, format] of named) {
    const writer = await tables.open(folder);
    const failing = { ...part(format), select: 'SELECT n, word, amount + 0 / (130000 - n), filler FROM lines ORDER BY n', fileBytes: 1_000_000 };
    await expect(writer.write(failing), format.kind).rejects.toMatchObject({ code: '22012', message: 'division by zero' });
    expect(filesBelow(folder)).toEqual([]);
  }
  const writer = await tables.open(folder);
  await expect(writer.rows('SELECT nothing')).rejects.toMatchObject({ code: '42703' });
});

test('a session that Postgres ends in the middle is an error, not a shorter file', async () => {
  const folder = newFolder();
  const writer = await tables.open(folder);
  const writing = writer.write({ ...part({ kind: 'csv', compression: 'none' }), select: `SELECT n, word, amount, filler FROM lines, LATERAL (SELECT pg_sleep(CASE WHEN n % 20000 = 0 THEN 0.5 ELSE 0 END)) s ORDER BY n` });
  const outcome = expect(writing).rejects.toMatchObject({ code: '57P01' });
  await eventually('a file that is begun', () => filesBelow(folder).length > 0);
  await tables.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'lakehook-export' AND datname = current_database()");
  await outcome;
  expect(filesBelow(folder)).toEqual([]);
});

test('a fault of the store comes out as what it is', async () => {
  const file = join(newFolder(), 'file');
  writeFileSync(file, 'no folder');
  const writer = await tables.open(join(file, 'below'));
  const fault = await writer.write(part({ kind: 'csv', compression: 'none' })).catch((error: unknown) => error);
  expect(fault).toBeInstanceOf(StoreFault);
  expect(fault).toMatchObject({ action: 'write', message: expect.stringContaining('data.csv') as string });
});

test('a database that cannot be reached, or does not exist, is said when the writer is opened', async () => {
  await expect(TableWriter.open({ databaseUrl: tables.url.replace(/[^/]+$/, 'nowhere'), store: { type: 'disk', folder: newFolder() } })).rejects.toMatchObject({ code: '3D000' });
  await expect(TableWriter.open({ databaseUrl: 'postgresql://127.0.0.1:1/x', store: { type: 'disk', folder: newFolder() } })).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});

test.each([['parquet', 'zstd'], ['json', 'none']] as const)('memory stays bounded however much is written (%s, %s)', async (kind, compression) => {
  const writer = await tables.open(newFolder());
  // 450 MB of texts that hardly shrink, some of them long.
  const select = `SELECT n, md5(n::text), n / 7.0, CASE WHEN n % 1000 = 0 THEN repeat(md5(n::text), 20000) ELSE repeat(md5((n * 3)::text), 100) END FROM generate_series(1, 100000) n`;
  const idle = process.memoryUsage().rss;
  let peak = 0;
  const watch = setInterval(() => (peak = Math.max(peak, process.memoryUsage().rss - idle)), 20);
  const files = await writer.write({ ...part({ kind, compression } as Format), select, fileBytes: 64 * 1024 * 1024 });
  clearInterval(watch);
  expect(files.reduce((sum, { rows }) => sum + rows, 0)).toBe(100_000);
  expect(peak / 1024 / 1024).toBeLessThan(400);
});

/** The sum of `amount` in a file of JSON lines, digit by digit. */
function sumOf(path: string, compression: string): string {
  const bytes = readFileSync(path);
  const text = (compression === 'zstd' ? zstdDecompressSync(bytes) : bytes).toString('utf8');
  let units = 0n;
  for (const [, whole, fraction] of text.matchAll(/"amount":(\d+)\.?(\d*)/g)) units += BigInt(whole! + fraction!.padEnd(21, '0'));
  return String(units).replace(/(\d{21})$/, '.$1');
}
