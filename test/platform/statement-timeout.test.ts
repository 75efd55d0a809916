import { expect, test } from 'vitest';
import { withClient } from '../support/database.js';
import { eventually } from '../support/eventually.js';
import { useHouse } from '../support/house.js';

const house = useHouse();

test.each([['/v1/events', 'events'], ['/v1/deliveries', 'deliveries'], ['/v1/webhooks', 'webhooks']])('a list that takes Postgres too long is 503 and says what helps: GET %s', async (path, table) => {
  const answer = await withClient(house.databaseUrl, async (client) => {
    await client.query('BEGIN');
    await client.query(`LOCK TABLE ${table}`);
    const asked = house.api.get(path).then((response) => response);
    const { pid } = await eventually('the list to wait', async () => (await house.sql<{ pid: number }>(`
      SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'lakehook' AND wait_event_type = 'Lock' AND query LIKE '%${table}%' AND query LIKE '%SELECT%'`))[0]);
    // What the time limit does, without waiting for it: cancels the statement with SQLSTATE 57014.
    await house.sql('SELECT pg_cancel_backend($1)', [pid]);
    return asked;
  });
  expect(answer.status).toBe(503);
  expect(answer.headers['retry-after']).toBe('5');
  expect(answer.body).toMatchObject({ code: 'unavailable', detail: expect.stringMatching(/took too long.*Narrow/) });
});
