import { expect, test } from 'vitest';
import { eventually } from '../support/eventually.js';
import { useHouse, useNeighbour } from '../support/house.js';
import { givenSource, push, SECRET } from '../support/provider.js';

const house = useHouse({ SOURCES_PER_TENANT: '40' });
const neighbour = useNeighbour(house);
const HOUR_MS = 3_600_000;
const MASK = '********';
const seen = async (id: string) => (await house.api.get(`/v1/sources/${id}`).expect(200)).body;

test('a source is made, read, listed, changed, replaced and deleted', async () => {
  const source = await givenSource(house, { name: 'one', options: { dedup_ttl_hours: 24 } });
  expect(source).toEqual({
    source_id: expect.any(String), name: 'one', provider: 'github', ingest_path: expect.stringMatching(/^\/in\/[\w-]{43}$/), previous_path_expires_at: null,
    secrets: [{ secret_id: expect.any(String), secret: MASK, hint: '…body', created_at: expect.any(String), expires_at: null }],
    options: { timestamp_tolerance_seconds: 300, dedup_ttl_hours: 24, validate: 'off' }, is_active: true, created_at: expect.any(String), updated_at: expect.any(String),
  });
  expect(await seen(source.source_id)).toEqual(source);
  expect((await house.api.get('/v1/sources?limit=1').expect(200)).body.data).toEqual([source]);
  await house.api.patch(`/v1/sources/${source.source_id}`).send({ name: 'two' }).expect(200);
  expect(await seen(source.source_id)).toMatchObject({ name: 'two', options: { dedup_ttl_hours: 24 }, secrets: source.secrets, ingest_path: source.ingest_path });
  await house.api.put(`/v1/sources/${source.source_id}`).send({ name: 'three', provider: 'github' }).expect(200);
  expect(await seen(source.source_id)).toMatchObject({ name: 'three', options: { dedup_ttl_hours: 72 }, secrets: source.secrets });
  await push(house, source, '{}').expect(202);
  await house.api.delete(`/v1/sources/${source.source_id}`).expect(204);
  await house.api.get(`/v1/sources/${source.source_id}`).expect(404);
  await push(house, source, '{}').expect(404);
  await eventually('the other process to see it', async () => (await push(neighbour, source, '{}')).status === 404);
});

test('no answer, row or audit record shows a secret or, but for answers, a path', async () => {
  const source = await givenSource(house, { secrets: ['PLANTED-secret-0123456789'] });
  await house.api.post(`/v1/sources/${source.source_id}/rotate-secret`).send({ secret: 'PLANTED-too-0123456789' }).expect(200);
  await house.api.patch(`/v1/sources/${source.source_id}`).send({ secrets: [{ secret: 'PLANTED-three-0123456789' }] }).expect(200);
  const token = source.ingest_path.slice(4);
  expect(JSON.stringify(await seen(source.source_id))).not.toContain('PLANTED');
  for (const table of ['sources', 'source_secrets', 'audit_log']) {
    const rows = JSON.stringify(await house.sql(`SELECT t::text FROM ${table} t`));
    expect(rows).not.toContain('PLANTED');
    expect(rows).not.toContain(token);
  }
  const { data } = (await house.api.get(`/v1/audit-log?subject_id=${source.source_id}`).expect(200)).body;
  expect(data.map(({ action }: { action: string }) => action)).toEqual(['source.changed', 'source.secret_rotated', 'source.created']);
});

test('a source that was read can be written again, and keeps its secrets', async () => {
  const source = await givenSource(house, { secrets: [SECRET, { secret: 'another secret', expires_at: '2099-01-01T00:00:00Z' }] });
  const { name, provider, secrets, options, is_active } = await seen(source.source_id);
  await house.api.put(`/v1/sources/${source.source_id}`).send({ name, provider, secrets, options, is_active }).expect(200);
  expect((await seen(source.source_id)).secrets).toEqual(secrets);
  for (const secret of [SECRET, 'another secret']) await push(house, source, '{}', { secret }).expect(202);
});

test('secrets that are set take the place of those there were; a mask keeps the one it names', async () => {
  const source = await givenSource(house, { secrets: ['the secret 0001', 'the secret 0002'] });
  const first = source.secrets.find(({ hint }) => hint === '…0001')!;
  const path = `/v1/sources/${source.source_id}`;
  await house.api.patch(path).send({ secrets: [{ secret: MASK, secret_id: first.secret_id }, 'the secret 0003'] }).expect(200);
  const statuses = await Promise.all(['0001', '0002', '0003'].map(async (number) => (await push(house, source, '{}', { secret: `the secret ${number}` })).status));
  expect(statuses).toEqual([202, 401, 202]);
  for (const [secrets, pointer] of [
    [[MASK], '/secrets/0'], [[{ secret: MASK, secret_id: '018f4e2a-0000-7abc-8def-0123456789ab' }], '/secrets/0/secret'], [[{ secret: MASK, secret_id: first.secret_id }, { secret: MASK, secret_id: first.secret_id }], '/secrets/1/secret_id'],
  ] as const) expect((await house.api.patch(path).send({ secrets }).expect(422)).body.errors[0].pointer).toBe(pointer);
});

test('a secret verifies until it expires, and not after', async () => {
  const source = await givenSource(house, { secrets: ['stays for good', { secret: 'leaves in an hour', expires_at: new Date(house.clock.now() + HOUR_MS).toISOString() }] });
  await push(house, source, '{}', { secret: 'leaves in an hour' }).expect(202);
  house.clock.advance(HOUR_MS);
  await push(house, source, '{}', { secret: 'leaves in an hour' }).expect(401);
  await push(house, source, '{}', { secret: 'stays for good' }).expect(202);
  expect((await seen(source.source_id)).secrets).toHaveLength(1);
});

test('a rotated secret verifies beside the new one for the overlap, or not at all', async () => {
  const source = await givenSource(house, { secrets: ['old secret'] });
  const rotate = (body: object) => house.api.post(`/v1/sources/${source.source_id}/rotate-secret`).send(body);
  expect((await rotate({ secret: 'new secret', overlap_hours: 2 }).expect(200)).body.secrets).toMatchObject([{ expires_at: null }, { expires_at: expect.any(String) }]);
  for (const secret of ['old secret', 'new secret']) await push(house, source, '{}', { secret }).expect(202);
  house.clock.advance(2 * HOUR_MS);
  await push(house, source, '{}', { secret: 'old secret' }).expect(401);
  await rotate({ secret: 'newest secret', overlap_hours: 0 }).expect(200);
  await push(house, source, '{}', { secret: 'new secret' }).expect(401);
  await push(house, source, '{}', { secret: 'newest secret' }).expect(202);
  for (let n = 0; n < 9; n++) await rotate({ secret: `secret ${n}` }).expect(200);
  expect((await rotate({ secret: 'one too many' }).expect(409)).body.code).toBe('conflict');
  for (const [body, pointer] of [[{}, '/secret'], [{ secret: '' }, '/secret'], [{ secret: MASK }, '/secret'], [{ secret: 'x', overlap_hours: -1 }, '/overlap_hours'], [{ secret: 'x', expires_at: '2020-01-01T00:00:00Z' }, '/expires_at']] as const) {
    expect((await rotate(body).expect(422)).body.errors[0].pointer).toBe(pointer);
  }
});

test('a rotated path works beside the new one for the overlap, or not at all', async () => {
  const source = await givenSource(house);
  const rotate = async (overlap_hours: number) => (await house.api.post(`/v1/sources/${source.source_id}/rotate-token`).send({ overlap_hours }).expect(200)).body;
  const second = await rotate(2);
  expect(second.ingest_path).not.toBe(source.ingest_path);
  for (const from of [source, second]) await push(house, from, '{}').expect(202);
  house.clock.advance(2 * HOUR_MS);
  await push(house, source, '{}').expect(404);
  const third = await rotate(0);
  await push(house, second, '{}').expect(404);
  await push(house, third, '{}').expect(202);
  await eventually('the other process to see it', async () => (await push(neighbour, second, '{}')).status === 404);
});

test('a source that is switched off answers like one that is not there, until it is switched on', async () => {
  const source = await givenSource(house);
  await house.api.patch(`/v1/sources/${source.source_id}`).send({ is_active: false }).expect(200);
  await push(house, source, '{}').expect(404);
  await house.api.patch(`/v1/sources/${source.source_id}`).send({ is_active: true }).expect(200);
  await push(house, source, '{}').expect(202);
});

test('a tenant has no more sources than the limit', async () => {
  const answers = await Promise.all(Array.from({ length: 45 }, () => house.api.post('/v1/sources').send({ name: 'crowd', provider: 'none' })));
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201, 409]));
  expect((await house.sql<{ count: number }>('SELECT count(*)::int FROM sources'))[0]!.count).toBe(40);
  await house.sql("DELETE FROM sources WHERE name = 'crowd'");
});

const BAD: [object, ...string[]][] = [
  [{}, '/name', '/provider'], [{ name: '', provider: 'github', secrets: ['x'] }, '/name'], [{ name: 'x', provider: 'paypal' }, '/provider'], [{ name: 'x', provider: 'constructor' }, '/provider'],
  [{ name: 'x', provider: 'github' }, '/secrets'], [{ name: 'x', provider: 'github', secrets: [] }, '/secrets'], [{ name: 'x', provider: 'github', secrets: 'x' }, '/secrets'], [{ name: 'x', provider: 'github', secrets: Array.from({ length: 11 }, () => 'x') }, '/secrets'],
  [{ name: 'x', provider: 'github', secrets: [5] }, '/secrets/0'], [{ name: 'x', provider: 'github', secrets: [null] }, '/secrets/0'], [{ name: 'x', provider: 'github', secrets: ['x', ''] }, '/secrets/1'], [{ name: 'x', provider: 'github', secrets: ['x'.repeat(1025)] }, '/secrets/0'],
  [{ name: 'x', provider: 'github', secrets: [{ secret: 'x', expires_at: 'soon' }] }, '/secrets/0/expires_at'], [{ name: 'x', provider: 'github', secrets: [{ secret: 'x', expires_at: '2020-01-01T00:00:00Z' }] }, '/secrets/0/expires_at'],
  [{ name: 'x', provider: 'github', secrets: [{}] }, '/secrets/0/secret'], [{ name: 'x', provider: 'github', secrets: [{ secret: 'x', huh: 1, constructor: 2 }] }, '/secrets/0/huh', '/secrets/0/constructor'],
  [{ name: 'x', provider: 'github', secrets: [MASK] }, '/secrets/0'],
  ...[-1, 86_401, 1.5, '300', null, []].map((timestamp_tolerance_seconds): [object, string] => [{ name: 'x', provider: 'none', options: { timestamp_tolerance_seconds } }, '/options/timestamp_tolerance_seconds']),
  ...[0, -1, 2_161, 1.5, '72', null].map((dedup_ttl_hours): [object, string] => [{ name: 'x', provider: 'none', options: { dedup_ttl_hours } }, '/options/dedup_ttl_hours']),
  ...['x', '/in/x', 'ftp://x/', 'https://u:p@x/', 'https://x/#a', 'https://x/?a=1', 5, null].map((public_url): [object, string] => [{ name: 'x', provider: 'none', options: { public_url } }, '/options/public_url']),
  [{ name: 'x', provider: 'github', secrets: ['x'], options: { huh: 1, 'a/b~c': 2, constructor: 3 } }, '/options/huh', '/options/a~1b~0c', '/options/constructor'], [{ name: 'x', provider: 'none', options: [] }, '/options'], [{ name: 'x', provider: 'none', options: null }, '/options'],
  [{ name: 'x', provider: 'none', options: { event_type: 'x'.repeat(20_000) } }, '/options'],
  [{ name: 'x', provider: 'hmac', secrets: ['x'], options: { header: 'x y', algorithm: 'md5' } }, '/options/header', '/options/algorithm'], [{ name: 'x', provider: 'none', is_active: 'yes' }, '/is_active'], [{ name: 'x', provider: 'none', ingest_path: '/in/mine' }, '/ingest_path'],
];
test.each(BAD.map(([body, ...pointers]) => ({ body, pointers })))('$body is refused at $pointers', async ({ body, pointers }) => {
  const answer = await house.api.post('/v1/sources').send(body).expect(422);
  expect([...new Set(answer.body.errors.map(({ pointer }: { pointer: string }) => pointer))].sort()).toEqual(pointers.toSorted());
});

test('a change is refused that leaves a source what it cannot work with', async () => {
  const source = await givenSource(house);
  const path = `/v1/sources/${source.source_id}`;
  const refused = async (body: object) => (await house.api.patch(path).send(body).expect(422)).body.errors.map(({ pointer }: { pointer: string }) => pointer);
  expect(await refused({ secrets: [] })).toEqual(['/secrets']);
  expect(await refused({ provider: 'hmac' })).toEqual(['/options/header']);
  expect(await refused({ provider: 'basic' })).toEqual(['/secrets']);
  expect(await refused({ name: null })).toEqual(['/name']);
  expect(await refused({ provider: null })).toEqual(['/provider']);
  await house.api.patch(path).send({ provider: 'none', secrets: [] }).expect(200);
  expect(await refused({ provider: 'github' })).toEqual(['/secrets']);
  await push(house, source, '{}', { secret: 'whatever' }).expect(202);
});
