import { expect, test } from 'vitest';
import { LogPartitions } from '../../src/events/log-partitions.js';
import { withClient } from '../support/database.js';
import { useHouse } from '../support/house.js';

const house = useHouse({ EVENT_RETENTION_DAYS: '10' });
const DAY_MS = 86_400_000;
const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
const partitions = async (): Promise<string[]> => (await house.sql<{ day: string }>(
  "SELECT right(c.relname, 8) AS day FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'events'::regclass ORDER BY 1")).map(({ day }) => `${day.slice(0, 4)}-${day.slice(4, 6)}-${day.slice(6)}`);
const log = (): LogPartitions => house.app.get(LogPartitions);

test('after the boot there is a partition for yesterday and for each of the next seven days', async () => {
  const now = house.clock.now();
  expect(await partitions()).toEqual(expect.arrayContaining(Array.from({ length: 9 }, (_, index) => dayOf(now + (index - 1) * DAY_MS))));
});

test('partitions are made a week ahead as time goes on, and making them twice changes nothing', async () => {
  house.clock.advance(5 * DAY_MS);
  await log().makeAhead();
  const made = await partitions();
  expect(made).toContain(dayOf(house.clock.now() + 7 * DAY_MS));
  await Promise.all([log().makeAhead(), log().makeAhead()]);
  expect(await partitions()).toEqual(made);
});

test('days behind the retention are dropped with their ids; younger ones stay', async () => {
  await house.api.post('/v1/events').send({ event_type: 'old', event_id: 'old-1', data: {} }).expect(202);
  house.clock.advance(2 * DAY_MS);
  await log().makeAhead();
  await house.api.post('/v1/events').send({ event_type: 'young', event_id: 'young-1', data: {} }).expect(202);
  const oldDay = dayOf(house.clock.now() - 2 * DAY_MS);

  house.clock.advance(8 * DAY_MS);
  await log().reconcile();
  // Ten days old on the day: kept to its end.
  await house.api.get('/v1/events/old-1').expect(200);
  expect(await partitions()).toContain(oldDay);

  house.clock.advance(DAY_MS);
  await log().reconcile();
  expect(await partitions()).not.toContain(oldDay);
  await house.api.get('/v1/events/old-1').expect(404);
  await house.api.get('/v1/events/young-1').expect(200);
  expect(await house.sql("SELECT event_id FROM event_ledger WHERE event_id IN ('old-1', 'young-1')")).toEqual([{ event_id: 'young-1' }]);
  expect((await house.api.get('/v1/events?limit=200').expect(200)).body.data.map(({ event_id }: { event_id: string }) => event_id)).toEqual(['young-1']);
});

test('an id behind the retention may be used again', async () => {
  const { body } = await house.api.post('/v1/events').send({ event_type: 'old', event_id: 'old-1', data: { second: true } }).expect(202);
  expect(body).toEqual({ event_id: 'old-1', duplicate: false });
  expect((await house.api.get('/v1/events/old-1').expect(200)).body.data).toEqual({ second: true });
});

test('who reads the log for long, like an export, keeps nobody waiting: days are made beside it, and dropped after it', async () => {
  const oldest = (await partitions())[0]!;
  await withClient(house.databaseUrl, async (reader) => {
    await reader.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
    await reader.query('SELECT FROM events LIMIT 1');
    house.clock.advance(12 * DAY_MS);
    await log().reconcile();
    await house.api.post('/v1/events').send({ event_type: 'beside', data: {} }).expect(202);
    expect(await partitions()).toEqual(expect.arrayContaining([oldest, dayOf(house.clock.now() + 7 * DAY_MS)]));
    await reader.query('COMMIT');
  });
  await log().reconcile();
  expect(await partitions()).not.toContain(oldest);
  expect(await house.sql("SELECT FROM events WHERE event_type = 'beside'")).toHaveLength(1);
});
