import { createHash, randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';

const FOLDER = fileURLToPath(new URL('../../../prisma/migrations', import.meta.url));

// Any constant will do as long as nothing else in this database uses it.
const LOCK = 7_205_759_403_792_793n;

const LEDGER = `
  CREATE TABLE IF NOT EXISTS _prisma_migrations (
    id varchar(36) PRIMARY KEY, checksum varchar(64) NOT NULL, finished_at timestamptz, migration_name varchar(255) NOT NULL,
    logs text, rolled_back_at timestamptz, started_at timestamptz NOT NULL DEFAULT now(), applied_steps_count integer NOT NULL DEFAULT 0
  )`;

/**
 * Brings the database up to date with prisma/migrations, one transaction each, in Prisma's folder layout and ledger, so
 * that `prisma migrate` and this runner can take turns. Processes that start together wait for each other on an
 * advisory lock. Answers the names it applied; throws when an applied migration's file has changed since.
 */
export async function migrate(databaseUrl: string, folder = FOLDER): Promise<string[]> {
  const client = new Client({ connectionString: databaseUrl, application_name: 'lakehook-migrate' });
  await client.connect();
  try {
    await client.query('SELECT pg_advisory_lock($1)', [LOCK]);
    await client.query(LEDGER);
    const { rows } = await client.query<{ migration_name: string; checksum: string }>(
      'SELECT migration_name, checksum FROM _prisma_migrations WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL');
    const applied = new Map(rows.map((row) => [row.migration_name, row.checksum]));
    const done: string[] = [];
    const names = (await readdir(folder, { withFileTypes: true })).filter((entry) => entry.isDirectory()).map((entry) => entry.name).sort();
    for (const name of names) {
      const sql = await readFile(join(folder, name, 'migration.sql'), 'utf8');
      const checksum = createHash('sha256').update(sql).digest('hex');
      if (applied.has(name)) {
        if (applied.get(name) !== checksum) throw new Error(`Migration ${name} was changed after it had been applied. Write a new migration instead.`);
        continue;
      }
      await client.query('BEGIN');
      await client.query(sql);
      await client.query(
        'INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at, applied_steps_count) VALUES ($1, $2, $3, clock_timestamp(), 1)',
        [randomUUID(), checksum, name]);
      await client.query('COMMIT');
      done.push(name);
    }
    return done;
  } finally {
    // Ending the session also rolls back and releases the lock.
    await client.end();
  }
}
