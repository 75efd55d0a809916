import { expect, test } from 'vitest';
import { givenTenant } from '../support/given.js';
import { useHouse } from '../support/house.js';

const house = useHouse();
const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const countEvents = async (type: string): Promise<number> => Number((await house.sql<{ count: string }>('SELECT count(*) FROM events WHERE event_type = $1', [type]))[0]!.count);

test('an event published with the least is committed when the answer comes', async () => {
  const { body } = await house.api.post('/v1/events').send({ event_type: 'least', data: {} }).expect(202);
  expect(body).toEqual({ event_id: expect.stringMatching(UUID_V7), duplicate: false });
  expect(await house.sql('SELECT event_type, data::text, metadata::text FROM events WHERE event_id = $1', [body.event_id])).toEqual([{ event_type: 'least', data: '{}', metadata: '{}' }]);
});

test('an event published with everything reads back as it was', async () => {
  const sent = { event_id: 'whole-1', event_type: 'whole', timestamp: '2026-01-31T13:30:00+01:00', data: { amount: 1.5, tags: ['a'] }, metadata: { region: 'eu' } };
  await house.api.post('/v1/events').send(sent).expect(202, { event_id: 'whole-1', duplicate: false });
  const { body } = await house.api.get('/v1/events/whole-1').expect(200).expect('content-type', /^application\/json/);
  expect(body).toEqual({ ...sent, timestamp: '2026-01-31T12:30:00.000Z', source_id: null, recorded_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/), deliveries: [] });
});

test('without a timestamp the time of recording counts', async () => {
  const { body } = await house.api.post('/v1/events').send({ event_type: 'now', data: {} }).expect(202);
  const event = (await house.api.get(`/v1/events/${body.event_id}`).expect(200)).body;
  expect(event.timestamp).toBe(event.recorded_at);
});

test('a batch of 1,000 is stored whole and answered in order', async () => {
  const events = Array.from({ length: 1_000 }, (_, index) => ({ event_type: 'thousand', event_id: `thousand-${index}`, data: { index } }));
  const { body } = await house.api.post('/v1/events').send({ events }).expect(202);
  expect(body.data).toEqual(events.map(({ event_id }) => ({ event_id, duplicate: false })));
  expect(await countEvents('thousand')).toBe(1_000);
});

test('a batch of 1,001 is refused and nothing of it is stored', async () => {
  const { body } = await house.api.post('/v1/events').send({ events: Array.from({ length: 1_001 }, () => ({ event_type: 'too.many', data: {} })) }).expect(422);
  expect(body).toMatchObject({ code: 'invalid', errors: [{ pointer: '/events', detail: expect.stringContaining('1001') }] });
  expect(await countEvents('too.many')).toBe(0);
});

const good = (n: number) => `{"event_type":"poisoned","event_id":"poisoned-${n}","data":{"n":${n}}}`;

test('a member of a batch that cannot be stored is answered in its place and the others are stored', async () => {
  const bad = [
    '{"event_type":"poisoned","data":{"x":"\\u0000"}}', '{"event_type":"poisoned","data":{"x":"\\ud800"}}', '{"event_type":"poisoned","data":{"__proto__":{}}}', '{"event_type":"poisoned","data":{"n":1e99999}}',
    `{"event_type":"poisoned","data":${'{"a":'.repeat(70)}1${'}'.repeat(70)}}`, '{"event_type":"poisoned"}', 'null', '"text"', '[]', '{"event_type":"poisoned","data":{},"timestamp":"9999-12-31T23:59:59-10:00"}',
  ];
  const members = bad.flatMap((member, n) => [good(n), member]);
  const { body } = await house.api.post('/v1/events').set('content-type', 'application/json').send(`{"events":[${members.join(',')}]}`).expect(202);
  expect(body.data).toHaveLength(members.length);
  members.forEach((member, index) => {
    const answer = body.data[index];
    if (index % 2 === 0) expect(answer, member).toEqual({ event_id: `poisoned-${index / 2}`, duplicate: false });
    else expect(answer, member).toEqual({ index, error: expect.objectContaining({ code: 'invalid', status: 422, errors: [expect.objectContaining({ pointer: expect.any(String), detail: expect.any(String) })] }) });
  });
  expect(await countEvents('poisoned')).toBe(bad.length);
});

test('a batch of nothing but faulty members is answered member by member', async () => {
  const { body } = await house.api.post('/v1/events').send({ events: [{}, 5] }).expect(202);
  expect(body.data.map(({ index, error }: { index: number; error: { code: string } }) => [index, error.code])).toEqual([[0, 'invalid'], [1, 'invalid']]);
});

test('a hundred publishers at once each learn the fate of their own events', async () => {
  const answers = await Promise.all(Array.from({ length: 100 }, (_, n) => house.api.post('/v1/events').send({ events: [{ event_type: 'crowd', event_id: `crowd-${n}-a`, data: { n } }, { event_type: n % 2 ? 'crowd' : '', data: {} }] })));
  answers.forEach(({ status, body }, n) => {
    expect(status).toBe(202);
    expect(body.data[0]).toEqual({ event_id: `crowd-${n}-a`, duplicate: false });
    expect('error' in body.data[1]).toBe(n % 2 === 0);
  });
  expect(await countEvents('crowd')).toBe(150);
});

test('an event of another tenant is not there', async () => {
  const other = house.as(await givenTenant(house));
  await house.api.post('/v1/events').send({ event_type: 'mine', event_id: 'mine-1', data: {} }).expect(202);
  await other.get('/v1/events/mine-1').expect(404);
  expect((await other.get('/v1/events').expect(200)).body.data).toEqual([]);
});
