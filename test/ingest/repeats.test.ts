import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { LogPartitions } from '../../src/events/log-partitions.js';
import { InboundRetention } from '../../src/ingest/retention.js';
import { useHouse, useNeighbour } from '../support/house.js';
import { bodyOf, givenSource, push } from '../support/provider.js';

const house = useHouse();
const neighbour = useNeighbour(house);
const HOUR_MS = 3_600_000;
const rowsOf = (sourceId: string) => house.sql<{ event_id: string }>('SELECT event_id FROM events WHERE source_id = $1', [sourceId]);

test('what a provider sends again is answered 2xx with the first event’s id, and stored once', async () => {
  const source = await givenSource(house);
  const first = await push(house, source, '{"n":1}', { id: 'a' }).expect(202);
  expect(first.body).toEqual({ event_id: expect.any(String), duplicate: false });
  for (const from of [house, neighbour]) expect((await push(from, source, '{"n":1}', { id: 'a' }).expect(202)).body).toEqual({ event_id: first.body.event_id, duplicate: true });
  expect(await rowsOf(source.source_id)).toEqual([{ event_id: first.body.event_id }]);
});

test('one id, 20 times at once over two processes, is one event', async () => {
  const source = await givenSource(house);
  const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => push(n % 2 ? house : neighbour, source, '{}', { id: 'storm' }).expect(202)));
  expect(new Set(answers.map(({ body }) => body.event_id)).size).toBe(1);
  expect(answers.filter(({ body }) => !body.duplicate)).toHaveLength(1);
  expect(await rowsOf(source.source_id)).toHaveLength(1);
});

test('ids that two processes are sent in opposite order are each one event, and none waits for ever', async () => {
  const source = await givenSource(house);
  const ids = Array.from({ length: 60 }, (_, n) => `cross-${n}`);
  const answers = await Promise.all([...ids.map((id) => push(house, source, '{}', { id })), ...ids.toReversed().map((id) => push(neighbour, source, '{}', { id }))]);
  expect(answers.map(({ status }) => status).filter((status) => status !== 202)).toEqual([]);
  expect(answers.filter(({ body }) => !body.duplicate)).toHaveLength(60);
  expect(await rowsOf(source.source_id)).toHaveLength(60);
});

test('the same id at another source is another event', async () => {
  const [one, other] = [await givenSource(house), await givenSource(house)];
  for (const source of [one, other]) expect((await push(house, source, '{}', { id: 'shared' }).expect(202)).body.duplicate).toBe(false);
});

test('a forged request does not use up the id of the real one', async () => {
  const source = await givenSource(house);
  await push(house, source, '{"forged":true}', { id: 'victim', secret: 'forged' }).expect(401);
  expect((await push(house, source, '{"real":true}', { id: 'victim' }).expect(202)).body.duplicate).toBe(false);
});

test('without an id of the provider’s every request is a new event', async () => {
  const source = await givenSource(house, { provider: 'none', secrets: [] });
  const ids = await Promise.all([1, 2].map(async () => (await house.as().post(source.ingest_path).send({ same: true }).expect(202)).body));
  expect(ids.map(({ duplicate }) => duplicate)).toEqual([false, false]);
  expect(ids[0].event_id).not.toBe(ids[1].event_id);
});

test('the same id with other bytes is kept as a conflict, once, and answered like a repeat; both bodies can be had', async () => {
  const source = await givenSource(house);
  const { body: { event_id } } = await push(house, source, '{"amount":1}', { id: 'reused' }).expect(202);
  for (const body of ['{"amount":2}', '{"amount":2}', 'a=3']) expect((await push(neighbour, source, body, { id: 'reused', type: body.startsWith('a') ? 'application/x-www-form-urlencoded' : 'application/json' }).expect(202)).body).toEqual({ event_id, duplicate: true });
  const { data } = (await house.api.get(`/v1/sources/${source.source_id}/conflicts`).expect(200)).body;
  expect(data).toMatchObject([
    { provider_event_id: 'reused', event_id, byte_count: 3, content_type: 'application/x-www-form-urlencoded', body_sha256: createHash('sha256').update('a=3').digest('hex') },
    { provider_event_id: 'reused', event_id, byte_count: 12, content_type: null },
  ]);
  expect((await bodyOf(house, `/v1/sources/${source.source_id}/conflicts/${data[1].conflict_id}/body`)).bytes.toString()).toBe('{"amount":2}');
  expect((await bodyOf(house, `/v1/sources/${source.source_id}/conflicts/${data[0].conflict_id}/body`)).bytes.toString()).toBe('a=3');
  expect((await bodyOf(house, `/v1/events/${event_id}/body`)).bytes.toString()).toBe('{"amount":1}');
});

test('of different bodies under one id that come at the same time one is the event and the others are conflicts', async () => {
  const source = await givenSource(house);
  const answers = await Promise.all(Array.from({ length: 8 }, (_, n) => push(n % 2 ? house : neighbour, source, `{"n":${n}}`, { id: 'race' }).expect(202)));
  expect(answers.filter(({ body }) => !body.duplicate)).toHaveLength(1);
  expect((await house.api.get(`/v1/sources/${source.source_id}/conflicts`).expect(200)).body.data).toHaveLength(7);
});

test('a source keeps so many conflicts; what is more is answered all the same', async () => {
  const source = await givenSource(house);
  await house.sql(`INSERT INTO inbound_conflicts SELECT gen_random_uuid(), tenant_id, source_id, 'filler', 'x', int4send(n), 1, '\\x00', NULL, now() FROM sources, generate_series(1, 1000) n WHERE source_id = $1`, [source.source_id]);
  const { body: { event_id } } = await push(house, source, '{"n":1}', { id: 'full' }).expect(202);
  expect((await push(house, source, '{"n":2}', { id: 'full' }).expect(202)).body).toEqual({ event_id, duplicate: true });
  expect(await house.sql("SELECT FROM inbound_conflicts WHERE source_id = $1 AND provider_event_id = 'full'", [source.source_id])).toEqual([]);
});

test('conflicts are paged, newest first', async () => {
  const source = await givenSource(house);
  for (let n = 0; n < 5; n++) await push(house, source, `{"n":${n}}`, { id: 'paged' }).expect(202);
  const first = (await house.api.get(`/v1/sources/${source.source_id}/conflicts?limit=3`).expect(200)).body;
  const second = (await house.api.get(`/v1/sources/${source.source_id}/conflicts?limit=3&cursor=${first.next_cursor}`).expect(200)).body;
  expect([first.data.length, second.data.length, second.next_cursor]).toEqual([3, 1, null]);
});

test('an id is remembered across midnight, for exactly as long as the source says, and is then new again', async () => {
  const source = await givenSource(house, { options: { dedup_ttl_hours: 30 } });
  const first = (await push(house, source, '{}', { id: 'old' }).expect(202)).body.event_id;
  house.clock.advance(30 * HOUR_MS - 60_000);
  await house.app.get(InboundRetention).reconcile();
  expect((await push(house, source, '{}', { id: 'old' }).expect(202)).body).toEqual({ event_id: first, duplicate: true });
  house.clock.advance(61_000);
  const again = (await push(house, source, '{}', { id: 'old' }).expect(202)).body;
  expect(again).toMatchObject({ duplicate: false });
  expect(again.event_id).not.toBe(first);
  // Taken over, the id counts from then on.
  house.clock.advance(29 * HOUR_MS);
  expect((await push(house, source, '{}', { id: 'old' }).expect(202)).body).toEqual({ event_id: again.event_id, duplicate: true });
});

test('ids that have expired are removed, others stay', async () => {
  const [short, long] = [await givenSource(house, { options: { dedup_ttl_hours: 1 } }), await givenSource(house)];
  for (const source of [short, long]) await push(house, source, '{}', { id: 'swept' }).expect(202);
  // What came just before may lie in quarantine for two weeks.
  house.clock.advance(HOUR_MS + 14 * 24 * HOUR_MS);
  await house.app.get(LogPartitions).makeAhead();
  await house.app.get(InboundRetention).reconcile();
  expect(await house.sql('SELECT source_id FROM inbound_ledger WHERE source_id = ANY($1) AND provider_event_id = $2', [[short.source_id, long.source_id], 'swept'])).toEqual([{ source_id: long.source_id }]);
});

test('conflicts go with the events of their time', async () => {
  const source = await givenSource(house);
  for (const n of [1, 2]) await push(house, source, `{"n":${n}}`, { id: 'aged' }).expect(202);
  const count = async () => (await house.sql('SELECT FROM inbound_conflicts WHERE source_id = $1', [source.source_id])).length;
  house.clock.advance(29 * 24 * HOUR_MS);
  await house.app.get(InboundRetention).reconcile();
  expect(await count()).toBe(1);
  house.clock.advance(25 * HOUR_MS);
  await house.app.get(InboundRetention).reconcile();
  expect(await count()).toBe(0);
});
