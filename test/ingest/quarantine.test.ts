import { createHmac } from 'node:crypto';
import { expect, test } from 'vitest';
import { LogPartitions } from '../../src/events/log-partitions.js';
import { InboundRetention } from '../../src/ingest/retention.js';
import { eventually } from '../support/eventually.js';
import { useHouse, useNeighbour } from '../support/house.js';
import { bodyOf, type GivenSource, givenSource, push, signature } from '../support/provider.js';

const house = useHouse();
const neighbour = useNeighbour(house);
interface Quarantined { quarantine_id: string; reason: string; detail: string; headers: Record<string, string>; content_type: string | null; byte_count: number; body_start: string; received_at: string }

/** What is in quarantine, once `count` are. */
const quarantineOf = ({ source_id }: GivenSource, count: number): Promise<Quarantined[]> => eventually(`${count} in quarantine`, async () => {
  const { data } = (await house.api.get(`/v1/sources/${source_id}/quarantine?limit=200`).expect(200)).body;
  return data.length === count && (data as Quarantined[]);
});
const mend = (source: GivenSource, secret: string) => house.api.patch(`/v1/sources/${source.source_id}`).send({ secrets: [secret] }).expect(200);
const reverify = async (source: GivenSource, body?: object, from: Pick<typeof house, 'api'> = house) => (await from.api.post(`/v1/sources/${source.source_id}/quarantine/reverify`).send(body).expect(200)).body;
const eventsOf = async ({ source_id }: GivenSource) => (await house.api.get(`/v1/events?source_id=${source_id}&limit=200`).expect(200)).body.data;
/** Days go by, with what is done in them. */
const pass = async (days: number): Promise<void> => {
  house.clock.advance(days * 86_400_000);
  await house.app.get(LogPartitions).makeAhead();
  await house.app.get(InboundRetention).reconcile();
};

test('what could not be verified is kept with its reason and its bytes, and without its proof', async () => {
  const source = await givenSource(house);
  const body = Buffer.concat([Buffer.from('{"a":"ü"'), Buffer.alloc(2_000, 0xff)]);
  await push(house, source, body, { secret: 'PLANTED' }).set('cookie', 'PLANTED').expect(401);
  await house.as().post(source.ingest_path).set('x-github-event', 'push').send({}).expect(401);
  const [unsigned, wrong] = await quarantineOf(source, 2);
  expect(unsigned).toMatchObject({ reason: 'missing', byte_count: 2, body_start: '{}', content_type: 'application/json' });
  expect(wrong).toMatchObject({ reason: 'mismatch', detail: expect.any(String), byte_count: body.length, headers: { 'x-github-event': 'push' } });
  expect(wrong!.body_start).toHaveLength(body.subarray(0, 1_024).toString().length);
  const stored = JSON.stringify([unsigned, wrong, await house.sql('SELECT request, detail FROM quarantined_requests')]);
  expect(stored).not.toContain('PLANTED');
  expect(stored).not.toContain(signature(body, 'PLANTED').slice(7));
  expect((await bodyOf(house, `/v1/sources/${source.source_id}/quarantine/${wrong!.quarantine_id}/body`)).bytes).toEqual(body);
});

test('the token of the URL is shown with no request, whatever header a proxy repeats it in', async () => {
  const source = await givenSource(house, { options: { public_url: 'https://hooks.example/github' } });
  const token = source.ingest_path.slice('/in/'.length);
  const send = (secret?: string) => push(house, source, '{}', { secret }).set({ 'x-path': `/in/${token}`, 'x-kept': 'yes' });
  await send('mistyped').expect(401);
  const [kept] = await quarantineOf(source, 1);
  expect(kept!.headers).toMatchObject({ 'x-kept': 'yes' });
  await send().expect(202);
  await mend(source, 'mistyped');
  await reverify(source);
  const shown = await eventsOf(source);
  expect(shown.map(({ metadata }: { metadata: { headers: object } }) => metadata.headers)).toMatchObject([{ 'x-kept': 'yes' }, { 'x-kept': 'yes' }]);
  expect(JSON.stringify([kept, shown])).not.toContain(token);
});

test('once the secret is mended they become events, exactly once, and leave the quarantine', async () => {
  const source = await givenSource(house, { secrets: ['mistyped'] });
  for (let n = 0; n < 30; n++) await push(house, source, `{"n":${n}}`, { id: `q-${n}`, secret: 'the real one' }).expect(401);
  // A provider that tries again, and a forger.
  await push(house, source, '{"n":0}', { id: 'q-0', secret: 'the real one' }).expect(401);
  await push(house, source, '{"n":-1}', { id: 'forged', secret: 'a forged one' }).expect(401);
  await quarantineOf(source, 32);
  expect(await reverify(source)).toEqual({ verified: 0, still_refused: 32 });
  await mend(source, 'the real one');
  expect(await reverify(source)).toEqual({ verified: 31, still_refused: 1 });
  expect((await quarantineOf(source, 1))[0]).toMatchObject({ body_start: '{"n":-1}' });
  const events = await eventsOf(source);
  expect(events.map(({ metadata }: { metadata: { provider_event_id: string } }) => metadata.provider_event_id).toSorted()).toEqual(Array.from({ length: 30 }, (_, n) => `q-${n}`).toSorted());
  expect(await reverify(source)).toEqual({ verified: 0, still_refused: 1 });
  // What the provider sends once more is a repeat.
  expect((await push(house, source, '{"n":7}', { id: 'q-7', secret: 'the real one' }).expect(202)).body.duplicate).toBe(true);
});

test('several that re-verify at the same time make one event of each, even where the provider has no ids', async () => {
  const source = await givenSource(house, { provider: 'bearer', secrets: ['wrong token'] });
  await Promise.all(Array.from({ length: 20 }, (_, n) => house.as().post(source.ingest_path).set('authorization', 'Bearer right token').send({ n }).expect(401)));
  await quarantineOf(source, 20);
  await mend(source, 'right token');
  await Promise.all([house, neighbour, house, neighbour].map((from) => reverify(source, undefined, from)));
  expect((await eventsOf(source)).map(({ data }: { data: { n: number } }) => data.n).toSorted((a: number, b: number) => a - b)).toEqual(Array.from({ length: 20 }, (_, n) => n));
  await quarantineOf(source, 0);
});

test('a signed time is judged as of when the request came, not of when it is verified again', async () => {
  const source = await givenSource(house, { provider: 'stripe', secrets: ['whsec_mistyped'] });
  const send = (at: number, id: string) => {
    const body = JSON.stringify({ id, object: 'event', type: 'charge.succeeded' });
    const time = Math.floor(at / 1_000);
    return house.as().post(source.ingest_path).set({ 'content-type': 'application/json', 'stripe-signature': `t=${time},v1=${createHmac('sha256', 'whsec_real').update(`${time}.${body}`).digest('hex')}` }).send(body);
  };
  await send(house.clock.now(), 'evt_timely').expect(401);
  await send(house.clock.now() - 301_000, 'evt_late').expect(401);
  await quarantineOf(source, 2);
  await mend(source, 'whsec_real');
  house.clock.advance(3 * 86_400_000);
  expect(await reverify(source)).toEqual({ verified: 1, still_refused: 1 });
  expect(await eventsOf(source)).toMatchObject([{ event_type: 'charge.succeeded', metadata: { provider_event_id: 'evt_timely' } }]);
});

test('what was stored in the meantime is known at the second try, though its ids have expired since', async () => {
  const source = await givenSource(house, { secrets: ['mistyped'], options: { dedup_ttl_hours: 1 } });
  for (let n = 0; n < 3; n++) await push(house, source, `{"n":${n}}`, { id: `late-${n}`, secret: 'real' }).expect(401);
  await quarantineOf(source, 3);
  await mend(source, 'real');
  // The provider tries two of them again.
  for (let n = 0; n < 2; n++) await push(house, source, `{"n":${n}}`, { id: `late-${n}`, secret: 'real' }).expect(202);
  await pass(10);
  expect(await reverify(source)).toEqual({ verified: 3, still_refused: 0 });
  expect((await eventsOf(source)).map(({ data }: { data: { n: number } }) => data.n).toSorted()).toEqual([0, 1, 2]);
  // What comes by itself so late is new.
  expect((await push(house, source, '{"n":1}', { id: 'late-1', secret: 'real' }).expect(202)).body.duplicate).toBe(false);
});

test('the valid neighbours of what a schema refused are not stored a second time, however late it is mended', async () => {
  await house.api.post('/v1/event-types').send({ name: 's3.received', schema: { type: 'object', properties: { n: { type: 'integer' } } }, compatibility: 'none' }).expect(201);
  const source = await givenSource(house, { provider: 's3', secrets: ['token'], options: { validate: 'reject', dedup_ttl_hours: 1 } });
  await house.as().post(source.ingest_path).set('authorization', 'Bearer token').send({ Records: [{ id: 'a', n: 1 }, { id: 'b', n: 'wrong' }, { id: 'c', n: 3 }] }).expect(202);
  expect((await house.sql('SELECT FROM inbound_ledger WHERE source_id = $1', [source.source_id])).length).toBe(2);
  await house.api.post('/v1/event-types/s3.received/versions').send({ schema: { type: 'object' } }).expect(201);
  await pass(10);
  expect(await reverify(source)).toEqual({ verified: 1, still_refused: 0 });
  expect((await eventsOf(source)).map(({ data }: { data: { n: unknown } }) => data.n).toSorted()).toEqual([1, 3, 'wrong']);
});

test('as many as asked for are looked at, the oldest first', async () => {
  const source = await givenSource(house, { secrets: ['mistyped'] });
  for (let n = 0; n < 5; n++) {
    await push(house, source, `{"n":${n}}`, { secret: 'real' }).expect(401);
    house.clock.advance(10);
  }
  await quarantineOf(source, 5);
  await mend(source, 'real');
  expect(await reverify(source, { limit: 2 })).toEqual({ verified: 2, still_refused: 0 });
  expect((await eventsOf(source)).map(({ data }: { data: { n: number } }) => data.n).toSorted()).toEqual([0, 1]);
  for (const limit of [0, 2_001, 1.5, 'all', null]) await house.api.post(`/v1/sources/${source.source_id}/quarantine/reverify`).send({ limit }).expect(422);
});

test('a storm of forged requests is answered 401 each, and little of it is written', async () => {
  const source = await givenSource(house);
  const answers = await Promise.all(Array.from({ length: 400 }, () => push(house, source, '{}', { secret: 'forged' })));
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([401]));
  expect((await push(house, source, '{"real":true}').expect(202)).body.duplicate).toBe(false);
  const metrics = (await house.as().get('/metrics').expect(200)).text;
  const dropped = Number(/^lakehook_quarantine_dropped_total (\d+)/m.exec(metrics)![1]);
  expect(dropped).toBeGreaterThan(100);
  expect(metrics).toMatch(/lakehook_inbound_refused_total\{provider="github",reason="mismatch"\} 4\d\d/);
  await eventually('the others to be written', async () => (await house.sql<{ count: number }>('SELECT count(*)::int FROM quarantined_requests WHERE source_id = $1', [source.source_id]))[0]!.count === 400 - dropped);
});

test('a source keeps so many requests and bytes in quarantine, and the oldest make room', async () => {
  const source = await givenSource(house);
  await house.sql(`INSERT INTO quarantined_requests SELECT gen_random_uuid(), (SELECT tenant_id FROM sources LIMIT 1), $1, now(), 'mismatch', '', '', 100000, '\\x00' FROM generate_series(1, 1200)`, [source.source_id]);
  await push(house, source, '{"newest":true}', { secret: 'wrong' }).expect(401);
  const count = async () => (await house.sql<{ count: number; bytes: number }>('SELECT count(*)::int, sum(byte_count)::int AS bytes FROM quarantined_requests WHERE source_id = $1', [source.source_id]))[0]!;
  const left = await eventually('the quarantine to be trimmed', async () => (await count()).count < 1_200 && count());
  expect(left.count).toBeLessThanOrEqual(1_000);
  expect(left.bytes).toBeLessThanOrEqual(64 * 1024 * 1024);
});

test('a request leaves the quarantine after two weeks', async () => {
  const source = await givenSource(house);
  await push(house, source, '{}', { secret: 'wrong' }).expect(401);
  await quarantineOf(source, 1);
  house.clock.advance(14 * 86_400_000 - 60_000);
  await house.app.get(InboundRetention).reconcile();
  await quarantineOf(source, 1);
  house.clock.advance(120_000);
  await house.app.get(InboundRetention).reconcile();
  await quarantineOf(source, 0);
});

test('with the source goes its quarantine, and what re-verifies is on record', async () => {
  const source = await givenSource(house);
  await push(house, source, '{}', { secret: 'wrong' }).expect(401);
  await quarantineOf(source, 1);
  await reverify(source);
  expect((await house.api.get(`/v1/audit-log?subject_id=${source.source_id}`).expect(200)).body.data[0]).toMatchObject({ action: 'source.reverified', after: { verified: 0, still_refused: 1 } });
  await house.api.delete(`/v1/sources/${source.source_id}`).expect(204);
  expect(await house.sql('SELECT FROM quarantined_requests WHERE source_id = $1', [source.source_id])).toEqual([]);
});
