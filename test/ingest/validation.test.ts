import { Client } from 'pg';
import { expect, inject, onTestFinished, test } from 'vitest';
import { withoutDatabase } from '../support/database.js';
import { eventually } from '../support/eventually.js';
import { useHouse } from '../support/house.js';
import { type GivenSource, givenSource, push } from '../support/provider.js';

const house = useHouse();
const CLOSED = { type: 'object', required: ['n'], properties: { n: { type: 'integer' }, secret: { type: 'integer' } }, additionalProperties: false };
const TOKEN = 'a token for the notices';

const givenType = (name: string, schema: object) => house.api.post('/v1/event-types').send({ name, schema, compatibility: 'none' }).expect(201);
const mend = (name: string, schema: object) => house.api.post(`/v1/event-types/${name}/versions`).send({ schema }).expect(201);
const eventsOf = async ({ source_id }: GivenSource): Promise<{ event_id: string; data: Record<string, unknown>; metadata: Record<string, unknown> }[]> => (await house.api.get(`/v1/events?source_id=${source_id}&limit=200`).expect(200)).body.data;
const quarantineOf = async ({ source_id }: GivenSource): Promise<{ quarantine_id: string; reason: string; detail: string }[]> => (await house.api.get(`/v1/sources/${source_id}/quarantine?limit=200`).expect(200)).body.data;
const reverify = async ({ source_id }: GivenSource) => (await house.api.post(`/v1/sources/${source_id}/quarantine/reverify`).expect(200)).body;
const notify = ({ ingest_path }: GivenSource, records: object[]) => house.as().post(ingest_path).set('authorization', `Bearer ${TOKEN}`).send({ Records: records });

test('a source that does not ask for it is not held to schemas', async () => {
  await givenType('unheld', CLOSED);
  const source = await givenSource(house);
  await push(house, source, '{"wrong":1}', { event: 'unheld' }).expect(202);
  expect((await eventsOf(source))[0]!.metadata).not.toHaveProperty('schema_faults');
});

test('a source that marks stores everything, and says where the schema is not met, never with what', async () => {
  await givenType('marked', CLOSED);
  const source = await givenSource(house, { options: { validate: 'mark' } });
  const { body: good } = await push(house, source, '{"n":1}', { event: 'marked' }).expect(202);
  const { body: bad } = await push(house, source, '{"secret":"PLANTED"}', { event: 'marked' }).expect(202);
  const { body: other } = await push(house, source, '{"any":1}', { event: 'of_no_schema' }).expect(202);
  const events = new Map((await eventsOf(source)).map((event) => [event.event_id, event]));
  for (const { event_id } of [good, other]) expect(events.get(event_id)!.metadata).not.toHaveProperty('schema_faults');
  const { metadata } = events.get(bad.event_id)!;
  expect(metadata.schema_faults).toEqual(expect.arrayContaining([{ pointer: '/data/n', detail: 'is missing' }, { pointer: '/data/secret', detail: expect.any(String) }]));
  expect(JSON.stringify(metadata)).not.toContain('PLANTED');
});

test('the marks are few and short, however much is wrong', async () => {
  await givenType('hostile', CLOSED);
  const source = await givenSource(house, { options: { validate: 'mark' } });
  const names = Array.from({ length: 500 }, (_, n) => `${n}-${'😀'.repeat(1_000)}`);
  await push(house, source, JSON.stringify(Object.fromEntries(names.map((name) => [name, 1]))), { event: 'hostile' }).expect(202);
  const [event] = await eventsOf(source);
  expect(event!.metadata.schema_faults).toHaveLength(10);
  expect(JSON.stringify(event!.metadata).length).toBeLessThan(10_000);
});

test('a source that rejects answers 422 with the places, keeps the request once, and stores it when the schema is mended', async () => {
  await givenType('rejected', CLOSED);
  const source = await givenSource(house, { options: { validate: 'reject' } });
  await push(house, source, '{"n":1}', { event: 'rejected', id: 'good' }).expect(202);
  for (let n = 0; n < 3; n++) {
    const { body } = await push(house, source, '{"n":"PLANTED"}', { event: 'rejected', id: 'bad' }).expect(422).expect('content-type', /^application\/problem\+json/);
    expect(body).toMatchObject({ code: 'invalid', errors: [{ pointer: '/data/n', detail: expect.any(String) }] });
  }
  expect(await eventsOf(source)).toHaveLength(1);
  const kept = await quarantineOf(source);
  expect(kept).toMatchObject([{ reason: 'invalid', detail: expect.stringContaining('/data/n') }]);
  expect(kept[0]!.detail).not.toContain('PLANTED');
  expect(await reverify(source)).toEqual({ verified: 0, still_refused: 1 });
  await mend('rejected', { type: 'object' });
  expect(await reverify(source)).toEqual({ verified: 1, still_refused: 0 });
  expect((await push(house, source, '{"n":"PLANTED"}', { event: 'rejected', id: 'bad' }).expect(202)).body.duplicate).toBe(true);
  expect((await eventsOf(source)).map(({ metadata }) => metadata.provider_event_id).sort()).toEqual(['bad', 'good']);
  expect(await quarantineOf(source)).toEqual([]);
});

test('of a notice with several events each is judged by itself, and what was refused follows once, with no other a second time', async () => {
  await givenType('s3.received', CLOSED);
  const source = await givenSource(house, { provider: 's3', secrets: [TOKEN], options: { validate: 'reject' } });
  const { body } = await notify(source, [{ n: 1 }, { n: 'wrong' }, { n: 3 }]).expect(202);
  expect(body.data).toMatchObject([{ event_id: expect.any(String), duplicate: false }, { index: 1, error: { code: 'invalid', errors: [{ pointer: '/data/n' }] } }, { event_id: expect.any(String), duplicate: false }]);
  const { body: refused } = await notify(source, [{ n: null }, { m: 1 }]).expect(422);
  expect(refused.errors.map(({ pointer }: { pointer: string }) => pointer)).toEqual(expect.arrayContaining(['/events/0/data/n', '/events/1/data/n', '/events/1/data/m']));
  expect(await quarantineOf(source)).toHaveLength(2);
  await mend('s3.received', { type: 'object', properties: { n: { type: ['integer', 'string'] } } });
  // These have no ids of their sender's.
  expect(await reverify(source)).toEqual({ verified: 1, still_refused: 1 });
  expect((await eventsOf(source)).map(({ data }) => JSON.stringify(data)).sort()).toEqual(['{"m":1}', '{"n":"wrong"}', '{"n":1}', '{"n":3}']);
  expect(await reverify(source)).toEqual({ verified: 0, still_refused: 1 });
  expect(await eventsOf(source)).toHaveLength(4);
  expect(await quarantineOf(source)).toMatchObject([{ reason: 'invalid', detail: expect.stringMatching(/^\/events\/0\/data\/n/) }]);
});

test('what was genuine when it came can be stored after the secret has changed', async () => {
  await givenType('old_secret', CLOSED);
  const source = await givenSource(house, { options: { validate: 'reject' } });
  await push(house, source, '{"n":"wrong"}', { event: 'old_secret' }).expect(422);
  await push(house, source, '{"n":1}', { event: 'old_secret', secret: 'forged' }).expect(401);
  await eventually('both to be kept', async () => (await quarantineOf(source)).length === 2);
  await house.api.patch(`/v1/sources/${source.source_id}`).send({ secrets: ['another one'] }).expect(200);
  expect(await reverify(source)).toEqual({ verified: 0, still_refused: 2 });
  expect((await quarantineOf(source)).map(({ reason }) => reason).sort()).toEqual(['invalid', 'mismatch']);
  await mend('old_secret', { type: 'object' });
  expect(await reverify(source)).toEqual({ verified: 1, still_refused: 1 });
  expect((await eventsOf(source)).map(({ data }) => data.n)).toEqual(['wrong']);
});

test('a forger who fills the quarantine does not drive out what was genuine and refused by its schema', async () => {
  await givenType('precious', CLOSED);
  const source = await givenSource(house, { options: { validate: 'reject' } });
  await push(house, source, '{}', { event: 'precious' }).expect(422);
  await house.sql(`INSERT INTO quarantined_requests (quarantine_id, tenant_id, source_id, received_at, reason, detail, request, byte_count, body)
    SELECT ('ffffffff' || right(gen_random_uuid()::text, 28))::uuid, tenant_id, source_id, now(), 'mismatch', '', '', 1, '\\x00' FROM sources, generate_series(1, 1200) WHERE source_id = $1`, [source.source_id]);
  await push(house, source, '{}', { secret: 'forged' }).expect(401);
  const left = await eventually('the quarantine to be trimmed', async () => {
    const rows = await house.sql<{ reason: string }>('SELECT reason FROM quarantined_requests WHERE source_id = $1', [source.source_id]);
    return rows.length === 1_001 && rows;
  });
  expect(left.filter(({ reason }) => reason === 'invalid')).toHaveLength(1);
});

test('forged requests leave half of what may wait to be kept to those that were believed', async () => {
  await givenType('waiting', CLOSED);
  const source = await givenSource(house, { options: { validate: 'reject' } });
  const client = new Client(house.databaseUrl);
  await client.connect();
  onTestFinished(() => client.end());
  await client.query('BEGIN; LOCK TABLE quarantined_requests IN EXCLUSIVE MODE');
  for (let n = 0; n < 8; n++) await push(house, source, 'x'.repeat(5_000_000), { secret: 'forged' }).expect(401);
  const answers: number[] = [];
  const believed = Array.from({ length: 5 }, (_, n) => push(house, source, JSON.stringify({ n: String(n).padEnd(4_000_000) }), { event: 'waiting' }).then(({ status }) => void answers.push(status)));
  await eventually('one to find no room', async () => answers.length > 0);
  await client.query('ROLLBACK');
  await Promise.all(believed);
  expect(answers).toEqual([503, 422, 422, 422, 422]);
});

test('what was believed is kept though forged requests that came with it cannot be', async () => {
  await givenType('in_company', CLOSED);
  const source = await givenSource(house, { options: { validate: 'reject' } });
  await house.sql("ALTER TABLE quarantined_requests ADD CONSTRAINT no_forged CHECK (reason <> 'mismatch') NOT VALID");
  onTestFinished(async () => void (await house.sql('ALTER TABLE quarantined_requests DROP CONSTRAINT no_forged')));
  const answers = await Promise.all(Array.from({ length: 10 }, (_, n) => push(house, source, `{"n":"${n}"}`, { event: 'in_company', secret: n % 2 ? 'forged' : undefined })));
  expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 10 }, (_, n) => (n % 2 ? 401 : 422)));
  expect(await quarantineOf(source)).toHaveLength(5);
});

test('while the database is away what a schema refuses is told to come again, and the rest is taken', async () => {
  await givenType('outage', CLOSED);
  const source = await givenSource(house, { options: { validate: 'reject' } });
  await push(house, source, '{"n":0}', { event: 'outage' }).expect(202);
  await withoutDatabase(inject('postgresUrl'), house.databaseUrl, async () => {
    await push(house, source, '{"n":1}', { event: 'outage' }).expect(202);
    await push(house, source, '{"n":"wrong"}', { event: 'outage' }).expect(503).expect('retry-after', '5');
  });
  await eventually('the spool to be drained', async () => (await eventsOf(source)).length === 2);
  expect((await eventsOf(source)).map(({ data }) => data.n).sort()).toEqual([0, 1]);
});

test('a source takes as many events as its rate_limit says, genuine ones, and then says when to come again', async () => {
  const source = await givenSource(house, { options: { rate_limit: { per_second: 0.5, burst: 3 } } });
  expect(source.options.rate_limit).toEqual({ per_second: 0.5, burst: 3 });
  for (let n = 0; n < 10; n++) await push(house, source, '{}', { secret: 'forged' }).expect(401);
  for (let n = 0; n < 3; n++) await push(house, source, `{"n":${n}}`).expect(202);
  const { body } = await push(house, source, '{"n":3}').expect(429).expect('retry-after', '2');
  expect(body.code).toBe('rate_limited');
  expect(await eventsOf(source)).toHaveLength(3);
  await push(house, await givenSource(house), '{}').expect(202);
  await house.api.patch(`/v1/sources/${source.source_id}`).send({ options: { rate_limit: null } }).expect(200);
  await push(house, source, '{"n":3}').expect(202);
});

test('a notice counts as the events it holds', async () => {
  const source = await givenSource(house, { provider: 's3', secrets: [TOKEN], options: { rate_limit: { per_second: 1, burst: 5 } } });
  expect(source.options.rate_limit).toEqual({ per_second: 1, burst: 5 });
  await notify(source, Array.from({ length: 5 }, (_, n) => ({ n }))).expect(202);
  await notify(source, [{ n: 5 }]).expect(429);
});

test.each<[options: object, pointer: string]>([
  [{ validate: 'maybe' }, '/options/validate'], [{ validate: null }, '/options/validate'], [{ rate_limit: 5 }, '/options/rate_limit'], [{ rate_limit: {} }, '/options/rate_limit/per_second'],
  [{ rate_limit: { per_second: 1, burst: 0.5 } }, '/options/rate_limit/burst'], [{ rate_limit: { per_second: 1, per_day: 1 } }, '/options/rate_limit/per_day'],
])('the options %j are refused at %s', async (options, pointer) => {
  const { body } = await house.api.post('/v1/sources').send({ name: 'wrong', provider: 'none', options }).expect(422);
  expect(body.errors).toEqual([{ pointer, detail: expect.any(String) }]);
});
