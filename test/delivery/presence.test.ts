import { expect, test } from 'vitest';
import { withClient } from '../support/database.js';
import { eventually } from '../support/eventually.js';
import { useHouse } from '../support/house.js';

const house = useHouse();

const dispatchers = () => house.sql<{ dispatcher_id: string; fresh: boolean }>('SELECT dispatcher_id, heartbeat_at > started_at AS fresh FROM dispatchers');
/** Heartbeats that are held up. */
const waiting = () => house.sql<{ seconds: number }>("SELECT extract(epoch FROM now() - query_start)::float8 AS seconds FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%UPDATE dispatchers%'");

test('a database that answers heartbeats late meets one at a time, and a process declared silent meanwhile takes one new identity', async () => {
  const before = (await dispatchers())[0]!.dispatcher_id;
  await withClient(house.databaseUrl, async (client) => {
    await client.query('BEGIN');
    // What another process does that takes over, slowly.
    await client.query('DELETE FROM dispatchers WHERE dispatcher_id = $1', [before]);
    // Long enough for three more heartbeats to come due.
    await eventually('a heartbeat to have waited for three others', async () => (await waiting()).some(({ seconds }) => seconds > 3.3));
    expect(await waiting()).toHaveLength(1);
    await client.query('COMMIT');
  });
  await eventually('a heartbeat under a new identity', async () => (await dispatchers()).some(({ dispatcher_id, fresh }) => dispatcher_id !== before && fresh));
  expect(await dispatchers()).toHaveLength(1);
});
