import { expect, test } from 'vitest';
import { withClient } from '../support/database.js';
import { eventually } from '../support/eventually.js';
import { givenTenant } from '../support/given.js';
import { apiOf, useHouse } from '../support/house.js';
import { givenSource, push } from '../support/provider.js';

// Without a spool: what Postgres does not take in time has nowhere else to go.
const house = useHouse({ INGEST_SPOOL: 'off' });

const one = { event_type: 'admitted', data: {} };
const stored = async (ids: string[]): Promise<string[]> => (await house.sql<{ event_id: string }>('SELECT event_id FROM events WHERE event_id = ANY($1)', [ids])).map(({ event_id }) => event_id);

/** A key with a limit, and requests with it. */
async function givenLimited(rate_limit: object | undefined) {
  const { body } = await house.api.post('/v1/api-keys').send({ name: 'limited', scopes: ['events:write'], rate_limit }).expect(201);
  return { shown: body.rate_limit as unknown, keyId: body.key_id as string, api: house.as(body.key as string) };
}

test('a key publishes as much as its limit says, and is then told when it may again', async () => {
  const { api, shown, keyId } = await givenLimited({ per_second: 0.5, burst: 3 });
  expect(shown).toEqual({ per_second: 0.5, burst: 3 });
  expect((await house.api.get('/v1/api-keys').expect(200)).body.data).toContainEqual(expect.objectContaining({ key_id: keyId, rate_limit: { per_second: 0.5, burst: 3 } }));
  for (let n = 0; n < 3; n++) await api.post('/v1/events').send(one).expect(202);
  const { body, headers } = await api.post('/v1/events').send({ ...one, event_id: 'beyond-the-limit' }).expect(429).expect('content-type', /^application\/problem\+json/);
  expect(body).toMatchObject({ code: 'rate_limited', status: 429 });
  expect(headers['retry-after']).toBe('2');
  expect(await stored(['beyond-the-limit'])).toEqual([]);
  // The key's neighbours have nothing to do with it.
  await house.api.post('/v1/events').send(one).expect(202);
});

test('after the time it was told, a request that was refused is taken', async () => {
  const { api } = await givenLimited({ per_second: 1, burst: 1 });
  await api.post('/v1/events').send(one).expect(202);
  const refusedAt = performance.now();
  expect((await api.post('/v1/events').send(one).expect(429)).headers['retry-after']).toBe('1');
  await eventually('a second to be over', () => performance.now() - refusedAt >= 1_000);
  await api.post('/v1/events').send(one).expect(202);
});

test('a batch counts as the events it holds, the faulty ones too', async () => {
  const { api } = await givenLimited({ per_second: 10, burst: 100 });
  const batch = (count: number) => api.post('/v1/events').send({ events: Array.from({ length: count }, (_, n) => (n % 2 ? one : { nonsense: n })) });
  await batch(100).expect(202);
  expect((await batch(50).expect(429)).headers['retry-after']).toBe('5');
});

test('a batch larger than the burst is taken when nothing was published before, and paid for after', async () => {
  const { api } = await givenLimited({ per_second: 10, burst: 10 });
  await api.post('/v1/events').send({ events: Array.from({ length: 50 }, () => one) }).expect(202);
  expect((await api.post('/v1/events').send(one).expect(429)).headers['retry-after']).toMatch(/^[45]$/);
});

test.each<[rate_limit: unknown, pointer: string]>([
  [5, '/rate_limit'], [[], '/rate_limit'], [{}, '/rate_limit/per_second'], [{ per_second: 0 }, '/rate_limit/per_second'], [{ per_second: 5, burst: 0.5 }, '/rate_limit/burst'], [{ per_second: 5, per_day: 1 }, '/rate_limit/per_day'],
])('the limit %j is refused at %s', async (rate_limit, pointer) => {
  const { body } = await house.api.post('/v1/api-keys').send({ name: 'limited', rate_limit }).expect(422);
  expect(body.errors).toEqual([{ pointer, detail: expect.any(String) }]);
});

interface Answer { id: string; status: number; ms: number; code?: string; retryAfter?: string }

/** Publishes singles and batches at an even rate until told to stop. Answers what became of each. */
function publishSteadily(perSecond: number, key?: string): { stop(): Promise<Answer[]>; answers: Answer[] } {
  const api = key ? apiOf(house.url, key) : house.api;
  const answers: Answer[] = [];
  const running = new Set<Promise<void>>();
  let n = 0;
  const timer = setInterval(() => {
    const id = `steady-${performance.now()}-${n++}`;
    const started = performance.now();
    const sent = api.post('/v1/events').send(n % 3 ? { ...one, event_id: id } : { events: [{ ...one, event_id: id }] }).then(({ status, body, headers }) => {
      answers.push({ id, status, ms: performance.now() - started, code: body.code as string | undefined, retryAfter: headers['retry-after'] as string | undefined });
    }).finally(() => running.delete(sent));
    running.add(sent);
  }, 1_000 / perSecond);
  return { answers, async stop() { clearInterval(timer); await Promise.all(running); return answers; } };
}

test('at low load nobody is refused', async () => {
  const { stop } = publishSteadily(50);
  await eventually('a hundred answers', async () => (await house.sql("SELECT FROM events WHERE event_id LIKE 'steady-%'")).length >= 100);
  const answers = await stop();
  expect(answers.filter(({ status }) => status !== 202)).toEqual([]);
});

test('when Postgres stalls, publishes are turned away with 503 within a second or so instead of hanging; every 202 is in the log, no 503 is; and when it goes on, so does everything', async () => {
  const { stop, answers } = publishSteadily(100);
  await eventually('publishes to be taken', () => answers.some(({ status }) => status === 202));
  await withClient(house.databaseUrl, async (client) => {
    await client.query('BEGIN; LOCK TABLE events IN SHARE MODE');
    const stalledAt = performance.now();
    await eventually('somebody to be refused', () => answers.some(({ code }) => code === 'overloaded'), 3_000);
    expect(performance.now() - stalledAt).toBeLessThan(2_000);
    await eventually('many to be refused', () => answers.filter(({ code }) => code === 'overloaded').length > 150);
    await client.query('COMMIT');
  });
  const from = answers.length;
  await eventually('nobody to be refused any more', () => answers.slice(from).slice(-50).filter(({ status }) => status === 202).length === 50);
  const all = await stop();
  const refused = all.filter(({ status }) => status !== 202);
  expect(refused.every(({ code, status, retryAfter }) => code === 'overloaded' && status === 503 && Number(retryAfter) >= 1)).toBe(true);
  // The target is 100 ms; what waits for ten times as long is given up.
  expect(Math.max(...refused.map(({ ms }) => ms))).toBeLessThan(2_000);
  const taken = all.filter(({ status }) => status === 202).map(({ id }) => id);
  expect((await stored(taken)).length).toBe(taken.length);
  expect(await stored(refused.map(({ id }) => id))).toEqual([]);
  expect((await house.as().get('/metrics').expect(200)).text).toMatch(/lakehook_admission_refused_total\{reason="overloaded"\} [1-9]/);
});

test('what is posted to a source is turned away just the same while Postgres stalls, before it is read, and taken after', async () => {
  const source = await givenSource(house);
  const taken: string[] = [];
  const refused: string[] = [];
  const running = new Set<Promise<unknown>>();
  let n = 0;
  const timer = setInterval(() => {
    const id = `shed-${n++}`;
    const sent = push(house, source, '{}', { id }).then(({ status, body, headers }) => {
      if (status === 202) taken.push(id);
      else refused.push(`${status} ${body.code} ${Number(headers['retry-after']) >= 1} ${id}`);
    }).finally(() => running.delete(sent));
    running.add(sent);
  }, 10);
  await withClient(house.databaseUrl, async (client) => {
    await client.query('BEGIN; LOCK TABLE events IN SHARE MODE');
    await eventually('many to be refused', () => refused.length > 100);
    await client.query('COMMIT');
  });
  const from = taken.length;
  await eventually('all to be taken again', () => taken.length > from + 50);
  clearInterval(timer);
  await Promise.all(running);
  expect(refused.filter((answer) => !answer.startsWith('503 overloaded true'))).toEqual([]);
  const ids = (await house.sql<{ id: string }>('SELECT provider_event_id AS id FROM inbound_ledger WHERE source_id = $1', [source.source_id])).map(({ id }) => id);
  expect(ids.sort()).toEqual(taken.sort());
});

test('with shedding turned off nobody is refused at the door; what has waited too long is still told, instead of hanging', async () => {
  const key = await givenTenant(house);
  await house.api.put('/v1/operations/features/admission.shedding').send({ percentage: 0 }).expect(200);
  const { stop, answers } = publishSteadily(30, key);
  await eventually('publishes to be taken', () => answers.some(({ status }) => status === 202));
  await withClient(house.databaseUrl, async (client) => {
    await client.query('BEGIN; LOCK TABLE events IN SHARE MODE');
    await eventually('what waits to be given up', () => answers.filter(({ code }) => code === 'overloaded').length > 10);
    await client.query('COMMIT');
  });
  expect((await stop()).filter(({ status, ms }) => status !== 202 && ms < 500)).toEqual([]);
  await house.api.put('/v1/operations/features/admission.shedding').send({ percentage: 100 }).expect(200);
});
