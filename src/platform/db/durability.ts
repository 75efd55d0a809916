import { Client } from 'pg';

/** What each of these may be so that a commit is on the disk when it is answered, and the disk can be read after a crash. */
const SAFE: Record<string, RegExp> = {
  fsync: /^on$/,
  full_page_writes: /^on$/,
  synchronous_commit: /^(on|local|remote_write|remote_apply)$/,
};

/** In words, what makes this Postgres forget commits that it has answered. As our sessions see it: role and database may set it, too. */
export async function findDurabilityFaults(databaseUrl: string): Promise<string[]> {
  const client = new Client({ connectionString: databaseUrl, application_name: 'lakehook-durability' });
  await client.connect();
  try {
    const { rows } = await client.query<{ name: string; setting: string }>('SELECT name, setting FROM pg_settings WHERE name = ANY($1)', [Object.keys(SAFE)]);
    return rows.filter(({ name, setting }) => !SAFE[name]!.test(setting)).map(({ name, setting }) => `Postgres runs with ${name}=${setting}, so a crash of its machine loses events that were acknowledged. Set it right, or POSTGRES_DURABILITY=trusted.`);
  } finally {
    await client.end();
  }
}
