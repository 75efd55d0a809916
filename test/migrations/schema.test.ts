import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { migrate } from '../../src/platform/db/migrate.js';
import { dropDatabase, emptyDatabase, withClient } from '../support/database.js';

const PRISMA = fileURLToPath(new URL('../../prisma', import.meta.url));
const MIGRATIONS = readdirSync(join(PRISMA, 'migrations'), { withFileTypes: true }).filter((entry) => entry.isDirectory()).map(({ name }) => name).sort();
let url: string;
let folder: string;

beforeEach(async () => {
  url = await emptyDatabase(inject('postgresUrl'));
  folder = mkdtempSync(join(tmpdir(), 'lakehook-migrations-'));
  cpSync(join(PRISMA, 'migrations'), folder, { recursive: true });
});
afterEach(async () => {
  await dropDatabase(inject('postgresUrl'), url);
  rmSync(folder, { recursive: true });
});

const write = (name: string, sql: string): void => {
  mkdirSync(join(folder, name), { recursive: true });
  writeFileSync(join(folder, name, 'migration.sql'), sql);
};
const query = <Row extends object>(sql: string): Promise<Row[]> => withClient(url, async (client) => (await client.query<Row>(sql)).rows);

interface Column { type: string; nullable: boolean }
interface Table { columns: Record<string, Column>; key: string[] }

const SCALARS: Record<string, string> = { String: 'text', Int: 'integer', BigInt: 'bigint', Float: 'double precision', Boolean: 'boolean', DateTime: 'timestamp with time zone', Bytes: 'bytea', Json: 'jsonb', Decimal: 'numeric' };
const NATIVE: Record<string, string> = { Uuid: 'uuid', Date: 'date', SmallInt: 'smallint', Json: 'json', JsonB: 'jsonb', 'Timestamptz(3)': 'timestamp with time zone(3)' };

/** The tables that the Prisma schema files describe. */
function readModels(): Record<string, Table> {
  const text = readdirSync(PRISMA).filter((name) => name.endsWith('.prisma')).map((name) => readFileSync(join(PRISMA, name), 'utf8')).join('\n');
  const models = [...text.matchAll(/^model (\w+) \{\n([\s\S]*?)^\}/gm)];
  const names = new Set(models.map(([, name]) => name));
  return Object.fromEntries(models.map(([, , body]) => {
    const fields = [...body!.matchAll(/^ {2}(\w+) +(\w+)(\[\]|\?)?(.*)$/gm)].filter(([, , type]) => !names.has(type!)).map(([, field, type, mark, rest]) => ({
      field: field!, column: /@map\("(\w+)"\)/.exec(rest!)?.[1] ?? field!, id: /@id\b/.test(rest!),
      type: (NATIVE[/@db\.(\w+(?:\(\d\))?)/.exec(rest!)?.[1] ?? ''] ?? SCALARS[type!]!) + (mark === '[]' ? '[]' : ''), nullable: mark === '?',
    }));
    const compound = /@@id\(\[([^\]]+)\]\)/.exec(body!)?.[1]!.split(',').map((name) => fields.find(({ field }) => field === name.trim())!.column);
    const columns = Object.fromEntries(fields.map(({ column, type, nullable }) => [column, { type, nullable }]));
    return [/@@map\("(\w+)"\)/.exec(body!)![1]!, { columns, key: compound ?? fields.filter(({ id }) => id).map(({ column }) => column) }];
  }));
}

/** The tables that are there. */
async function readTables(): Promise<Record<string, Table>> {
  const columns = await query<{ table: string; name: string; type: string; nullable: boolean }>(`
    SELECT c.relname AS table, a.attname AS name, NOT a.attnotnull AS nullable,
           regexp_replace(format_type(a.atttypid, a.atttypmod), 'timestamp\\((\\d)\\) with time zone', 'timestamp with time zone(\\1)') AS type
      FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attnum > 0 AND NOT a.attisdropped AND c.relname <> '_prisma_migrations'`);
  const keys = await query<{ table: string; columns: string[] }>(`
    SELECT i.indrelid::regclass::text AS table, array_agg(a.attname::text ORDER BY k.place) AS columns
      FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey::int[]) WITH ORDINALITY AS k(attnum, place) JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
     WHERE i.indisprimary GROUP BY 1`);
  const tables: Record<string, Table> = {};
  for (const { table, name, type, nullable } of columns) (tables[table] ??= { columns: {}, key: keys.find((key) => key.table === table)?.columns ?? [] }).columns[name] = { type, nullable };
  return tables;
}

test('the migrations build exactly the tables, columns and keys that the Prisma schema describes', async () => {
  expect(await migrate(url)).toEqual(MIGRATIONS);
  const models = readModels();
  expect(Object.keys(models).length).toBeGreaterThanOrEqual(12);
  expect(await readTables()).toEqual(models);
});

test('migrating twice applies nothing the second time', async () => {
  await migrate(url);
  const ledger = await query('SELECT * FROM _prisma_migrations');
  expect(await migrate(url)).toEqual([]);
  expect(await query('SELECT * FROM _prisma_migrations')).toEqual(ledger);
});

test('a new migration is applied after the others, and only it', async () => {
  await migrate(url, folder);
  write('9999_more', 'CREATE TABLE more (id int PRIMARY KEY);');
  expect(await migrate(url, folder)).toEqual(['9999_more']);
  await query('SELECT id FROM more');
});

test('a migration whose file has changed since it was applied is refused, by name', async () => {
  await migrate(url, folder);
  write(MIGRATIONS[0]!, `${readFileSync(join(folder, MIGRATIONS[0]!, 'migration.sql'), 'utf8')}\n-- harmless`);
  await expect(migrate(url, folder)).rejects.toThrow(`Migration ${MIGRATIONS[0]} was changed`);
});

test('a migration that fails leaves nothing of itself, keeps those before it, and can be corrected', async () => {
  write('9998_good', 'CREATE TABLE good (id int);');
  write('9999_bad', 'CREATE TABLE half (id int); SELECT nonsense;');
  await expect(migrate(url, folder)).rejects.toThrow('nonsense');
  expect(await query("SELECT to_regclass('good')::text AS good, to_regclass('half')::text AS half")).toEqual([{ good: 'good', half: null }]);
  write('9999_bad', 'CREATE TABLE half (id int);');
  expect(await migrate(url, folder)).toEqual(['9999_bad']);
});

test('of several that migrate at the same time one does the work and all succeed', async () => {
  const done = await Promise.all([1, 2, 3, 4].map(() => migrate(url)));
  expect(done.filter((names) => names.length > 0)).toEqual([MIGRATIONS]);
  expect((await query<{ migration_name: string }>('SELECT migration_name FROM _prisma_migrations ORDER BY 1')).map(({ migration_name }) => migration_name)).toEqual(MIGRATIONS);
});

test('the ledger holds the checksums that `prisma migrate` would write', async () => {
  await migrate(url);
  for (const { migration_name, checksum, finished } of await query<{ migration_name: string; checksum: string; finished: boolean }>('SELECT migration_name, checksum, finished_at IS NOT NULL AS finished FROM _prisma_migrations')) {
    expect(checksum).toBe(createHash('sha256').update(readFileSync(join(PRISMA, 'migrations', migration_name, 'migration.sql'))).digest('hex'));
    expect(finished).toBe(true);
  }
});
