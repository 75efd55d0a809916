import { expect, test } from 'vitest';
import { Events } from '../../src/events/events.js';
import { LogPartitions } from '../../src/events/log-partitions.js';
import { HotLane } from '../../src/platform/db/hot-lane.js';
import { givenTenant } from '../support/given.js';
import { type Api, useHouse, useNeighbour } from '../support/house.js';

const house = useHouse();
const neighbour = useNeighbour(house);

const publish = async (api: Api, event_id: string, data: object = {}): Promise<{ event_id: string; duplicate: boolean }> => (await api.post('/v1/events').send({ event_type: 'dedup', event_id, data }).expect(202)).body;
const rowsOf = (eventId: string) => house.sql<{ data: string }>('SELECT data::text FROM events WHERE event_id = $1', [eventId]);

test('an id published twice is stored once, with what came first', async () => {
  expect(await publish(house.api, 'twice', { first: true })).toEqual({ event_id: 'twice', duplicate: false });
  expect(await publish(house.api, 'twice', { first: false })).toEqual({ event_id: 'twice', duplicate: true });
  expect(await rowsOf('twice')).toEqual([{ data: '{"first":true}' }]);
});

const event = (n: number) => ({ event_type: 'dedup', event_id: 'in-batch', data: { n } });

test('an id that stands twice in one batch counts once, the first time', async () => {
  const { body } = await house.api.post('/v1/events').send({ events: [event(1), event(2), event(3)] }).expect(202);
  expect(body.data.map(({ duplicate }: { duplicate: boolean }) => duplicate)).toEqual([false, true, true]);
  expect(await rowsOf('in-batch')).toEqual([{ data: '{"n":1}' }]);
});

test('ids that differ in case are different ids', async () => {
  expect(await publish(house.api, 'case')).toMatchObject({ duplicate: false });
  expect(await publish(house.api, 'CASE')).toMatchObject({ duplicate: false });
});

test('of two processes that are sent the same ids at the same time exactly one stores each', async () => {
  const ids = Array.from({ length: 40 }, (_, n) => `race-${n}`);
  // Each process gets the ids in another order, so that their transactions meet crosswise.
  const answers = await Promise.all([...ids.map((id) => publish(house.api, id)), ...ids.toReversed().map((id) => publish(neighbour.api, id))]);
  for (const id of ids) {
    expect(answers.filter(({ event_id, duplicate }) => event_id === id && !duplicate), id).toHaveLength(1);
    expect(await rowsOf(id), id).toHaveLength(1);
  }
});

test('two processes that are sent the same batch in opposite order both answer', async () => {
  const events = Array.from({ length: 300 }, (_, n) => ({ event_type: 'dedup', event_id: `cross-${n}`, data: {} }));
  const answers = await Promise.all([house.api, neighbour.api, house.api, neighbour.api].map((api, turn) => api.post('/v1/events').send({ events: turn % 2 ? events.toReversed() : events }).expect(202)));
  expect(answers.flatMap(({ body }) => body.data as { duplicate: boolean }[]).filter(({ duplicate }) => !duplicate)).toHaveLength(300);
});

test('an id that Lakehook made is recognised when it is published again', async () => {
  const made = ((await house.api.post('/v1/events').send({ event_type: 'dedup', data: { made: true } }).expect(202)).body as { event_id: string }).event_id;
  expect(await publish(house.api, made)).toEqual({ event_id: made, duplicate: true });
  expect(await publish(neighbour.api, made)).toEqual({ event_id: made, duplicate: true });
  expect(await rowsOf(made)).toEqual([{ data: '{"made":true}' }]);
});

test('a UUID v7 that somebody else made is an id like any other', async () => {
  const id = '018f4e2a-0000-7abc-8def-0123456789ab';
  expect(await publish(house.api, id)).toMatchObject({ duplicate: false });
  expect(await publish(house.api, id)).toMatchObject({ duplicate: true });
  await house.api.get(`/v1/events/${id}`).expect(200);
});

test('two tenants may use the same id', async () => {
  const other = house.as(await givenTenant(house));
  expect(await publish(house.api, 'shared', { of: 'first' })).toMatchObject({ duplicate: false });
  expect(await publish(other, 'shared', { of: 'second' })).toMatchObject({ duplicate: false });
  expect((await house.api.get('/v1/events/shared').expect(200)).body.data).toEqual({ of: 'first' });
  expect((await other.get('/v1/events/shared').expect(200)).body.data).toEqual({ of: 'second' });
});

test('another tenant cannot claim an id that Lakehook made for the first', async () => {
  const other = house.as(await givenTenant(house));
  const made = ((await house.api.post('/v1/events').send({ event_type: 'dedup', data: {} }).expect(202)).body as { event_id: string }).event_id;
  expect(await publish(other, made)).toMatchObject({ duplicate: false });
});

// Last: it moves the clock for good.
test('an id is remembered across days', async () => {
  await publish(house.api, 'days');
  const made = ((await house.api.post('/v1/events').send({ event_type: 'dedup', data: {} }).expect(202)).body as { event_id: string }).event_id;
  for (let day = 1; day <= 3; day++) {
    house.clock.advance(86_400_000);
    await house.app.get(LogPartitions).makeAhead();
    expect(await publish(house.api, 'days')).toMatchObject({ duplicate: true });
    expect(await publish(neighbour.api, made)).toMatchObject({ duplicate: true });
  }
  expect(await rowsOf('days')).toHaveLength(1);
});

test('what a batch in bulk locks is not locked while it rests: with ids of the publisher it is written in one piece, otherwise in parts', async () => {
  const events = house.app.get(Events);
  const [{ tenantId } = { tenantId: '' }] = await house.sql<{ tenantId: string }>('SELECT tenant_id AS "tenantId" FROM tenants LIMIT 1');
  const partsOf = async (ids: (string | undefined)[]): Promise<number> => {
    let parts = 0;
    await house.app.get(HotLane).transaction((lane) => events.appendAll(
      lane, events.recordingTime(), [{ tenantId, events: ids.map((eventId) => ({ eventId, eventType: 'parts', data: '{}', metadata: '{}' })) }], 'never',
      async (items, part) => {
        const results = [];
        for (const item of items) {
          parts++;
          results.push(await part([item]));
        }
        return results;
      },
    ));
    return parts;
  };
  expect(await partsOf([undefined, undefined])).toBe(2);
  expect(await partsOf(['parts-a', undefined])).toBe(0);
});
