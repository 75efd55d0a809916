import { inject, expect, test } from 'vitest';
import { withClient, withoutDatabase } from '../support/database.js';
import { eventually } from '../support/eventually.js';
import { useHouse } from '../support/house.js';

/** Without a spool: what is done with one, test/ingest/spool.test.ts says. */

const house = useHouse({ INGEST_SPOOL: 'off' });

const publish = (event_id: string) => house.api.post('/v1/events').send({ event_type: 'outage', event_id, data: {} });

test('while the database is away and there is no spool, every request is told to come back, and afterwards all goes on', async () => {
  await publish('before').expect(202);
  await withoutDatabase(inject('postgresUrl'), house.databaseUrl, async () => {
    for (const send of [() => publish('during'), () => house.api.get('/v1/events'), () => house.api.post('/v1/webhooks').send({ url: 'http://127.0.0.1:9/' }), () => house.api.get('/v1/webhooks')]) {
      const { body } = await send().expect(503).expect('retry-after', '1').expect('content-type', /^application\/problem\+json/);
      expect(body).toMatchObject({ code: 'unavailable', status: 503 });
    }
    expect((await house.as().get('/readyz').expect(503)).body.checks.database).toMatch(/^failing/);
    await house.as().get('/livez').expect(200);
    await house.as().get('/metrics').expect(200);
  });
  await eventually('a publish to be taken again', async () => (await publish('after')).status === 202);
  await eventually('the house to be ready again', async () => (await house.as().get('/readyz')).status === 200);
  await house.api.get('/v1/events/before').expect(200);
  await house.api.get('/v1/events/during').expect(404);
});

test('without a spool, publishers that a broken connection hits are told 503, and each acknowledged event is in the log exactly once', async () => {
  const ids = Array.from({ length: 200 }, (_, n) => `broken-${n}`);
  const acknowledged: string[] = [];
  const name = house.databaseUrl.split('/').at(-1)!;
  const sending = Promise.all(ids.map(async (id) => {
    const answer = await publish(id);
    expect([202, 503], JSON.stringify(answer.body)).toContain(answer.status);
    if (answer.status === 202) acknowledged.push(id);
  }));
  await withClient(inject('postgresUrl'), (client) => client.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [name]));
  await sending;
  const stored = (await eventually('the test’s own connection to be back', () => house.sql<{ event_id: string }>("SELECT event_id FROM events WHERE event_id LIKE 'broken-%'").catch(() => undefined))).map(({ event_id }) => event_id);
  expect(new Set(stored).size).toBe(stored.length);
  expect(acknowledged.filter((id) => !stored.includes(id))).toEqual([]);
  // Who was told 503 sends again, and then all of them are there.
  await Promise.all(ids.map((id) => eventually(`${id} to be taken`, async () => (await publish(id)).status === 202)));
  expect((await house.sql("SELECT event_id FROM events WHERE event_id LIKE 'broken-%'"))).toHaveLength(ids.length);
});
