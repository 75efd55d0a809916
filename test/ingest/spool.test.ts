import { expect, inject, test } from 'vitest';
import { withoutDatabase as without } from '../support/database.js';
import { eventually } from '../support/eventually.js';
import { deliveryOf, givenWebhook } from '../support/given.js';
import { ADMIN_KEY, useHouse } from '../support/house.js';
import { bodyOf, givenSource, push } from '../support/provider.js';
import { useReceiver } from '../support/receiver.js';

const house = useHouse();
const receiver = useReceiver();

const withoutDatabase = (work: () => Promise<void>) => without(inject('postgresUrl'), house.databaseUrl, work);
const publish = (event_type: string, more: Record<string, unknown> = {}) => house.api.post('/v1/events').send({ event_type, data: {}, ...more });
const send = (key: string) => house.api.post('/v1/events').set('idempotency-key', key).send({ event_type: 'keyed', data: {} }).expect(202);
const sendAs = (key: string) => house.as(key).post('/v1/events').send({ event_type: 'keys', data: {} });
const checks = async (): Promise<Record<string, string>> => (await house.as().get('/readyz')).body.checks;
const metric = async (name: string): Promise<number> => Number(new RegExp(`^${name} (.+)$`, 'm').exec((await house.as().get('/metrics')).text)?.[1]);
const drained = () => eventually('the spool to be empty', async () => (await checks()).spool === 'ok' && (await checks()).database === 'ok');
const stored = (type: string) => house.sql<{ event_id: string; data: string; late: boolean }>('SELECT event_id, data::text AS data, recorded_at > occurred_at AS late FROM events WHERE event_type = $1 ORDER BY recorded_at, event_id', [type]);

test('what is published while the database is away is acknowledged, stored once when it is back, and delivered', async () => {
  await givenWebhook(house, `${receiver.url}/spooled`, { events: ['spooled'] });
  await publish('spooled', { event_id: 'before' }).expect(202);
  const ids: string[] = [];
  await withoutDatabase(async () => {
    ids.push((await publish('spooled').expect(202)).body.event_id);
    for (const event_id of ['mine', 'mine', 'before']) expect((await publish('spooled', { event_id }).expect(202)).body).toEqual({ event_id, duplicate: false });
    const { body } = await house.api.post('/v1/events').send({ events: [{ event_type: 'spooled', data: { exact: 1 } }, { event_type: '!' , data: {} }] }).expect(202);
    expect(body.data[1].error.code).toBe('invalid');
    ids.push(body.data[0].event_id);
    await house.as().get('/readyz').expect(200);
    expect(await checks()).toMatchObject({ spool: expect.stringMatching(/^\d+ bytes/), database: expect.stringMatching(/^excused/) });
    expect(await metric('lakehook_spool_bytes')).toBeGreaterThan(0);
  });
  await drained();
  const rows = await stored('spooled');
  expect(rows.map(({ event_id }) => event_id).sort()).toEqual(['before', 'mine', ...ids].sort());
  expect(rows.filter(({ event_id }) => event_id !== 'before').every(({ late }) => late)).toBe(true);
  for (const id of [...ids, 'mine']) await deliveryOf(house, id, 'succeeded');
  expect((await publish('spooled', { event_id: ids[0] }).expect(202)).body.duplicate).toBe(true);
  expect((await house.api.get(`/v1/events/${ids[0]}`).expect(200)).body.event_id).toBe(ids[0]);
  expect(await metric('lakehook_spool_bytes')).toBe(0);
  expect(await metric('lakehook_events_spooled_total')).toBe(5);
});

test('an Idempotency-Key keeps its promise through an outage: the same request is the same event, before, during and after', async () => {
  const { body: first } = await send('before');
  let during: string[] = [];
  await withoutDatabase(async () => {
    expect((await send('before')).body).toEqual(first);
    during = [await send('during'), await send('during')].map(({ body }) => body.event_id);
    expect(during[0]).toBe(during[1]);
  });
  await drained();
  expect((await send('during')).body).toEqual({ event_id: during[0], duplicate: true });
  expect((await stored('keyed')).map(({ event_id }) => event_id).sort()).toEqual([first.event_id, during[0]].sort());
});

test('while the database is away a key that was in use is good, a wrong one is not, and whether an unknown one is good is not said', async () => {
  const { body: used } = await house.api.post('/v1/api-keys').send({ name: 'used', scopes: ['events:write'] }).expect(201);
  const { body: unused } = await house.api.post('/v1/api-keys').send({ name: 'unused', scopes: ['events:write'] }).expect(201);
  const { body: revoked } = await house.api.post('/v1/api-keys').send({ name: 'revoked', scopes: ['events:write'] }).expect(201);
  await sendAs(used.key).expect(202);
  await sendAs(revoked.key).expect(202);
  await house.api.delete(`/v1/api-keys/${revoked.key_id}`).expect(204);
  await sendAs(revoked.key).expect(401);
  await withoutDatabase(async () => {
    await eventually('the keys to be older than a second', async () => (await sendAs(unused.key)).status === 503);
    await sendAs(used.key).expect(202);
    await sendAs(ADMIN_KEY).expect(202);
    await sendAs(`${ADMIN_KEY}x`).expect(401);
    await sendAs(unused.key).expect(503).expect('retry-after', '1');
    expect([401, 503]).toContain((await sendAs(revoked.key)).status);
    await house.as(used.key).get('/v1/events').expect(403);
    await house.api.get('/v1/events').expect(503);
  });
  await drained();
  await sendAs(unused.key).expect(202);
});

test('an acknowledged event that Postgres refuses to store is kept aside with its reason, and holds nobody up', async () => {
  await house.sql("ALTER TABLE events ADD CONSTRAINT no_poison CHECK (event_type <> 'poison')");
  await withoutDatabase(async () => {
    await Promise.all(Array.from({ length: 20 }, (_, n) => publish(n === 7 ? 'poison' : 'healthy', { data: { n } }).expect(202)));
  });
  await drained();
  expect(await stored('healthy')).toHaveLength(19);
  const refused = await house.sql<{ reason: string; record: Buffer }>('SELECT reason, record FROM spool_refused');
  expect(refused).toMatchObject([{ reason: expect.stringContaining('no_poison') }]);
  expect(refused[0]!.record.toString('latin1')).toContain('{"n":7}');
  expect(await metric('lakehook_spool_refused_total')).toBe(1);
  await house.sql('ALTER TABLE events DROP CONSTRAINT no_poison');
});

test('requests to a source are verified, acknowledged and kept byte for byte while the database is away, and a provider’s id is stored once', async () => {
  const source = await givenSource(house);
  const bytes = Buffer.from([0x7b, 0xc3, 0x28, 0xff, 0]);
  const { body: before } = await push(house, source, '{"n":1}', { id: 'before' }).expect(202);
  const ids: string[] = [];
  await withoutDatabase(async () => {
    await push(house, source, '{"n":1}', { id: 'before' }).expect(202);
    for (const id of ['twice', 'twice']) ids.push((await push(house, source, '{"n":2}', { id }).expect(202)).body.event_id);
    ids.push((await push(house, source, bytes, { id: 'bytes' }).expect(202)).body.event_id);
    await push(house, source, '{"n":3}').set('x-hub-signature-256', 'sha256=00').expect(401);
  });
  await drained();
  const stored = await house.sql<{ event_id: string; of: string }>("SELECT event_id, metadata ->> 'provider_event_id' AS of FROM events WHERE source_id = $1 ORDER BY of", [source.source_id]);
  expect(stored).toEqual([{ event_id: before.event_id, of: 'before' }, { event_id: ids[2], of: 'bytes' }, { event_id: ids[0], of: 'twice' }]);
  expect((await bodyOf(house, `/v1/events/${ids[2]}/body`)).bytes).toEqual(bytes);
  expect((await push(house, source, '{"n":2}', { id: 'twice' }).expect(202)).body).toEqual({ event_id: ids[0], duplicate: true });
});

test('events are held against the schemas that were known, all through an outage, and under an Idempotency-Key each is stored once', async () => {
  await house.api.post('/v1/event-types').send({ name: 'held', schema: { type: 'object', required: ['n'], properties: { n: { type: 'integer' } } } }).expect(201);
  const hold = (n: unknown, key: string) => house.api.post('/v1/events').set('idempotency-key', key).send({ event_type: 'held', data: { n } });
  const { body: before } = await hold(1, 'held-before').expect(202);
  let during = '';
  await withoutDatabase(async () => {
    // Until what is remembered is older than it is asked for again.
    const from = performance.now();
    await eventually('a second to be over', () => performance.now() - from > 1_000);
    for (let n = 0; n < 3; n++) {
      expect((await hold('wrong', `held-wrong-${n}`).expect(422)).body.errors).toEqual([{ pointer: '/data/n', detail: expect.any(String) }]);
      during = (await hold(2, 'held-during').expect(202)).body.event_id;
    }
    expect((await hold(1, 'held-before').expect(202)).body.event_id).toBe(before.event_id);
    const { body } = await house.api.post('/v1/events').send({ events: [{ event_type: 'held', data: {} }, { event_type: 'held', data: { n: 3 }, event_id: 'held-three' }] }).expect(202);
    expect(body.data).toMatchObject([{ index: 0, error: { code: 'invalid' } }, { event_id: 'held-three' }]);
  });
  await drained();
  expect((await hold(2, 'held-during').expect(202)).body).toEqual({ event_id: during, duplicate: true });
  await hold('wrong', 'held-wrong-0').expect(422);
  expect((await stored('held')).map(({ event_id }) => event_id).sort()).toEqual([before.event_id, during, 'held-three'].sort());
});

test('where the log has no place for a day yet, as after a very long outage, though Postgres answers, what was acknowledged is stored once there is, and nothing is put aside', async () => {
  const refused = async () => (await house.sql('SELECT FROM spool_refused')).length;
  const before = await refused();
  await house.sql(`DROP TABLE events_${new Date(house.clock.now()).toISOString().slice(0, 10).replaceAll('-', '')}`);
  const { body: first } = await publish('placeless').expect(202);
  await publish('placeless').expect(202);
  await eventually('both to be stored', async () => (await stored('placeless')).length === 2);
  expect((await stored('placeless')).map(({ event_id }) => event_id)).toContain(first.event_id);
  expect(await refused()).toBe(before);
});
