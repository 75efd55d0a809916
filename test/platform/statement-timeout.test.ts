import { expect, test } from 'vitest';
import { withClient } from '../support/database.js';
import { eventually } from '../support/eventually.js';
import { ADMIN_KEY, apiOf, startHouse, useHouse } from '../support/house.js';

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

test('what waits too long for somebody else\'s lock is 503 too, and can be sent again under the same key', async () => {
  // As in production, but with a tenth of a second instead of ten.
  const impatient = await startHouse(`${house.databaseUrl}?options=${encodeURIComponent('-c lock_timeout=100')}`);
  const post = () => apiOf(impatient.url, ADMIN_KEY).post('/v1/cost/records').set('idempotency-key', 'patient')
    .send({ records: [{ date: '2024-12-01', provider: 'aws', service_name: 'x', billed_cost: 1, currency: 'USD' }] });
  try {
    const answer = await withClient(house.databaseUrl, async (client) => {
      await client.query('BEGIN');
      await client.query("SELECT pg_advisory_xact_lock(hashtext('months of cost_data'))");
      return post();
    });
    expect([answer.status, answer.body.code, answer.headers['retry-after']]).toEqual([503, 'unavailable', '5']);
    await post().expect(201);
  } finally {
    await impatient.stop();
  }
});
