import { randomBytes } from 'node:crypto';
import { Client } from 'pg';

export const TEMPLATE = 'lakehook_template';

export async function withClient<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** A fresh database with nothing in it. Answers its URL. */
export async function emptyDatabase(postgresUrl: string): Promise<string> {
  const name = `e_${randomBytes(6).toString('hex')}`;
  await withClient(postgresUrl, (client) => client.query(`CREATE DATABASE ${name}`));
  return postgresUrl.replace(/[^/]+$/, name);
}

/** A fresh copy of the template database. Answers its URL. */
export async function cloneDatabase(postgresUrl: string): Promise<string> {
  const name = `t_${randomBytes(6).toString('hex')}`;
  await withClient(postgresUrl, async (client) => {
    // One copy at a time: Postgres refuses to copy a template that another session is copying.
    await client.query("SELECT pg_advisory_lock(hashtext('clone'))");
    await client.query(`CREATE DATABASE ${name} TEMPLATE ${TEMPLATE}`);
  });
  return postgresUrl.replace(/[^/]+$/, name);
}

/** Locks everybody out of a database and throws out who is in, for as long as `work` runs. */
export async function withoutDatabase(postgresUrl: string, url: string, work: () => Promise<void>): Promise<void> {
  const name = url.split('/').at(-1)!;
  await withClient(postgresUrl, async (client) => {
    await client.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS false`);
    try {
      await client.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [name]);
      await work();
    } finally {
      await client.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS true`);
    }
  });
}

export async function dropDatabase(postgresUrl: string, url: string): Promise<void> {
  await withClient(postgresUrl, (client) => client.query(`DROP DATABASE IF EXISTS ${url.split('/').at(-1)} WITH (FORCE)`));
}
