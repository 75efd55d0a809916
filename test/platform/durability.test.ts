import { expect, inject, test } from 'vitest';
import { cloneDatabase, dropDatabase, withClient } from '../support/database.js';
import { startHouse } from '../support/house.js';

test('a house does not start on a Postgres that may forget what it has committed, unless it is told to trust it', async () => {
  const postgresUrl = inject('postgresUrl');
  const databaseUrl = await cloneDatabase(postgresUrl);
  try {
    await withClient(postgresUrl, (client) => client.query(`ALTER DATABASE ${databaseUrl.split('/').at(-1)} SET synchronous_commit = off`));
    await expect(startHouse(databaseUrl)).rejects.toThrow(/synchronous_commit=off/);
    await (await startHouse(databaseUrl, { POSTGRES_DURABILITY: 'trusted' })).stop();
  } finally {
    await dropDatabase(postgresUrl, databaseUrl);
  }
});
