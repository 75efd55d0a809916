import { expect, test } from 'vitest';
import { DeliveryRetention } from '../../src/delivery/history/retention.js';
import { LogPartitions } from '../../src/events/log-partitions.js';
import { eventually } from '../support/eventually.js';
import { deliveryOf, givenEvent, givenTenant, givenWebhook } from '../support/given.js';
import { useHouse, useNeighbour } from '../support/house.js';
import { useReceiver } from '../support/receiver.js';

const house = useHouse();
const neighbour = useNeighbour(house);
const receiver = useReceiver();

interface Status { paused: boolean; reason: string | null; draining: boolean; events_waiting: number; resume_events_per_second: number | null; expected_end: string | null; oldest_waiting_at: string | null }
const status = async (): Promise<Status> => (await neighbour.api.get('/v1/operations/processing').expect(200)).body as Status;
const steer = async (body: object): Promise<Status> => (await house.api.post('/v1/operations/processing').send(body).expect(200)).body as Status;
const numbersAt = (path: string): number[] => receiver.requests.filter((request) => request.path === path).map(({ body }) => (JSON.parse(body.toString()) as { data: { n: number } }).data.n);

/** Waits until the other process obeys, too: it looks twice a second. */
const obeyed = (): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, 1_000));
const publishNumbers = (event_type: string, from: number, count: number) => house.api.post('/v1/events').send({ events: Array.from({ length: count }, (_, n) => ({ event_type, data: { n: from + n } })) }).expect(202);

test('while paused events are stored and acknowledged and wait; resumed, each is delivered once, in order', async () => {
  await givenWebhook(house, `${receiver.url}/held`, { events: ['held'] });
  await givenWebhook(house, `${receiver.url}/line`, { events: ['held'], ordered: true });
  expect(await steer({ paused: true, reason: 'maintenance' })).toMatchObject({ paused: true, reason: 'maintenance', draining: false });
  await obeyed();
  for (let batch = 0; batch < 10; batch++) await publishNumbers('held', batch * 10, 10);
  await givenEvent(house, 'held', { n: 100 });
  await obeyed();
  expect(await status()).toMatchObject({ paused: true, events_waiting: 101, oldest_waiting_at: expect.any(String), expected_end: null });
  expect(receiver.requests).toEqual([]);
  // No job is tried meanwhile, nor held by anybody.
  expect(await house.sql("SELECT state::text, max(retry_count)::int AS retries FROM pgboss.job WHERE name LIKE 'delivery.fan-out%' AND state <= 'active' GROUP BY 1")).toEqual([{ state: 'created', retries: 0 }]);
  expect(await steer({ paused: false })).toMatchObject({ paused: false, reason: null, resume_events_per_second: null });
  const all = Array.from({ length: 101 }, (_, n) => n);
  await eventually('all to be delivered', () => numbersAt('/held').length >= 101 && numbersAt('/line').length >= 101);
  expect(numbersAt('/line')).toEqual(all);
  expect(numbersAt('/held').toSorted((a, b) => a - b)).toEqual(all);
  expect(await status()).toMatchObject({ events_waiting: 0, oldest_waiting_at: null });
});

test('resumed at a pace, what waits is worked off no faster by all processes together, says when it will end, and the pace ends with it', async () => {
  await givenWebhook(house, `${receiver.url}/paced`, { events: ['paced'] });
  await steer({ paused: true });
  await obeyed();
  for (let batch = 0; batch < 30; batch++) await publishNumbers('paced', batch * 10, 10);
  const started = performance.now();
  const resumed = await steer({ paused: false, resume_events_per_second: 50 });
  expect(resumed).toMatchObject({ paused: false, draining: true, resume_events_per_second: 50 });
  expect(Date.parse(resumed.expected_end!) - house.clock.now()).toBeGreaterThan(4_000);
  expect(Date.parse(resumed.expected_end!) - house.clock.now()).toBeLessThan(7_000);
  const seen: [ms: number, count: number][] = [];
  await eventually('all to be delivered', () => {
    seen.push([performance.now() - started, numbersAt('/paced').length]);
    return numbersAt('/paced').length >= 300;
  });
  // 50 a second, and two batches that each of two processes takes in advance.
  for (const [ms, count] of seen) expect(count, `after ${Math.round(ms)} ms`).toBeLessThanOrEqual((ms / 1_000) * 50 + 60);
  expect(performance.now() - started).toBeGreaterThan(4_500);
  expect(performance.now() - started).toBeLessThan(12_000);
  expect(numbersAt('/paced').toSorted((a, b) => a - b)).toEqual(Array.from({ length: 300 }, (_, n) => n));
  await eventually('the pace to end', async () => !(await status()).draining);
  const { resume_events_per_second } = await status();
  expect(resume_events_per_second).toBeNull();
  const before = performance.now();
  for (let batch = 0; batch < 30; batch++) await publishNumbers('paced', 300 + batch * 10, 10);
  await eventually('the rest to be delivered', () => numbersAt('/paced').length >= 600);
  expect(performance.now() - before).toBeLessThan(5_000);
});

test('a pace so slow that it waits for seconds leaves no job with a process that only waits, and a pause goes before it', async () => {
  await givenWebhook(house, `${receiver.url}/slow`, { events: ['slow'] });
  await steer({ paused: true, resume_events_per_second: 1 });
  await obeyed();
  for (let batch = 0; batch < 5; batch++) await publishNumbers('slow', batch * 20, 20);
  expect(await steer({ paused: false })).toMatchObject({ resume_events_per_second: 1 });
  await eventually('the first to be delivered', () => numbersAt('/slow').length >= 20);
  await obeyed();
  expect(await house.sql("SELECT 1 FROM pgboss.job WHERE name LIKE 'delivery.fan-out%' AND state = 'active'")).toEqual([]);
  await steer({ paused: true });
  await steer({ paused: false, resume_events_per_second: null });
  await eventually('all to be delivered', () => numbersAt('/slow').length >= 100);
});

test('a pause longer than anything else is kept loses nothing: neither jobs nor events are thrown away', async () => {
  await givenWebhook(house, `${receiver.url}/late`, { events: ['late'] });
  await steer({ paused: true });
  await obeyed();
  const today = new Date().toISOString().slice(0, 10);
  const eventId = await givenEvent(house, 'late', { n: 1 });
  const [job] = await house.sql<{ days: number }>("SELECT extract(day FROM keep_until - created_on)::int AS days FROM pgboss.job WHERE name LIKE 'delivery.fan-out%' AND state = 'created' ORDER BY created_on DESC LIMIT 1");
  expect(job!.days).toBeGreaterThan(3_000);
  house.clock.advance(40 * 86_400_000);
  for (const partitions of [LogPartitions, DeliveryRetention]) await house.app.get(partitions).makeAhead();
  expect((await house.app.get(LogPartitions).dropExpired()).filter((day) => day >= today)).toEqual([]);
  await steer({ paused: false });
  await eventually('it to be delivered', () => numbersAt('/late').length === 1);
  expect((await deliveryOf(house, eventId, 'succeeded')).attempt_count).toBe(1);
});

test('pausing and resuming are on record', async () => {
  await steer({ paused: true, reason: 'why not', resume_events_per_second: 7 });
  await steer({ paused: false, resume_events_per_second: null });
  const { data } = (await house.api.get('/v1/audit-log?subject_id=processing&limit=2').expect(200)).body;
  expect(data).toMatchObject([
    { action: 'processing.resumed', before: { paused: true, reason: 'why not', resume_events_per_second: 7 }, after: { paused: false, reason: null, resume_events_per_second: null } },
    { action: 'processing.paused', after: { paused: true, reason: 'why not', resume_events_per_second: 7 } },
  ]);
});

test.each<[body: object, pointer: string]>([
  [{}, '/paused'], [{ paused: 'yes' }, '/paused'], [{ paused: null }, '/paused'], [{ paused: true, reason: 5 }, '/reason'], [{ paused: true, resume_events_per_second: 0 }, '/resume_events_per_second'],
  [{ paused: false, resume_events_per_second: 1.5 }, '/resume_events_per_second'], [{ paused: false, until: 'then' }, '/until'],
])('%j is refused at %s', async (body, pointer) => {
  const answer = await house.api.post('/v1/operations/processing').send(body).expect(422);
  expect(answer.body.errors).toEqual([{ pointer, detail: expect.any(String) }]);
});

test('another tenant can neither see nor pause what is everybody\'s', async () => {
  const tenant = house.as(await givenTenant(house));
  await tenant.get('/v1/operations/processing').expect(403);
  await tenant.post('/v1/operations/processing').send({ paused: true }).expect(403);
  await tenant.post('/v1/api-keys').send({ name: 'more', scopes: ['operations:write'] }).expect(403);
});
