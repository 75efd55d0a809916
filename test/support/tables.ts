import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, inject, onTestFinished } from 'vitest';
import type { Column, Format, TablePart } from '../../src/platform/tabular/table.js';
import { TableWriter } from '../../src/platform/tabular/table-writer.js';
import { openStore } from '../../src/platform/storage/open-store.js';
import { dropDatabase, emptyDatabase, withClient } from './database.js';

/** A database with the tables that `sql` makes, and files written from it, read by an engine that is not ours. */
export function useTables(sql: string) {
  let url = '';
  beforeAll(async () => {
    url = await emptyDatabase(inject('postgresUrl'));
    await withClient(url, (client) => client.query(sql));
  });
  afterAll(() => dropDatabase(inject('postgresUrl'), url));

  async function open(folder: string, signal?: AbortSignal, share?: () => number): Promise<TableWriter> {
    const writer = await TableWriter.open({ databaseUrl: url, store: { type: 'disk', folder }, signal, share });
    onTestFinished(() => writer.close());
    return writer;
  }

  return {
    get url() {
      return url;
    },

    /** Rows as Postgres prints them. */
    async rows(select: string): Promise<Record<string, string | null>[]> {
      const { rows } = await withClient(url, (client) => client.query({ text: select, types: { getTypeParser: () => (value: string) => value } as never }));
      return rows as Record<string, string | null>[];
    },

    open,

    /** Writes one part and publishes its files. */
    async write(part: { select: string; columns: Column[]; format: Format } & Partial<TablePart>, folder = newFolder()) {
      const writer = await open(folder);
      const files = await writer.write({ key: `data${extensionOf(part.format)}`, fileBytes: 128 * 1024 * 1024, metadata: {}, ...part });
      await writer.close();
      const store = openStore({ type: 'disk', folder });
      for (const file of files) await store.publish(file);
      return { files, folder, paths: files.map(({ key }) => join(folder, key)) };
    },
  };
}

export function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'lakehook-tables-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export function extensionOf({ kind, compression }: Format): string {
  return kind === 'parquet' ? '.parquet' : `.${kind}${{ none: '', gzip: '.gz', zstd: '.zst' }[compression]}`;
}

/** Everything below a folder that is a file, hidden ones too. */
export function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => entry.name).sort();
}

/** What DuckDB makes of a query; numbers that JSON could bend are texts. */
export async function duck(query: string): Promise<Record<string, unknown>[]> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  try {
    await connection.run("SET TimeZone = 'UTC'");
    return (await connection.runAndReadAll(query)).getRowObjectsJson() as Record<string, unknown>[];
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}
