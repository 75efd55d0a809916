import { expect, inject, test, vi } from 'vitest';
import { cloneDatabase, dropDatabase, emptyDatabase } from '../support/database.js';
import { eventually } from '../support/eventually.js';
import { ADMIN_KEY, type Api, apiOf, startHouse, useHouse, useNeighbour } from '../support/house.js';

const house = useHouse();
const neighbour = useNeighbour(house);

const make = async (body: object, api: Api = house.api) => (await api.post('/v1/api-keys').send({ name: 'test', ...body }).expect(201)).body as { key: string; key_id: string };
const works = async (url: string, key: string): Promise<boolean> => (await apiOf(url, key).get('/v1/api-keys')).status === 200;

test('a key is shown once; of it only a hash is stored', async () => {
  const { key, key_id } = await make({ scopes: ['events:read'] });
  expect(key).toMatch(/^lh_live_/);
  const listed = (await house.api.get('/v1/api-keys').expect(200)).body.data.find((row: { key_id: string }) => row.key_id === key_id);
  expect(listed).toEqual({ key_id, name: 'test', rate_limit: null, scopes: ['events:read'], hint: `…${key.slice(-4)}`, created_at: expect.any(String), expires_at: null, last_used_at: null });
  const [row] = await house.sql<{ row: string }>('SELECT k::text AS row FROM api_keys k WHERE key_id = $1', [key_id]);
  expect(row!.row).not.toContain(key.slice(41));
});

test('a revoked key is refused at once here and within a second by every other process', async () => {
  const { key, key_id } = await make({});
  expect([await works(house.url, key), await works(neighbour.url, key)]).toEqual([true, true]);
  await house.api.delete(`/v1/api-keys/${key_id}`).expect(204);
  expect(await works(house.url, key)).toBe(false);
  await eventually('the neighbour to refuse the key', async () => !(await works(neighbour.url, key)), 5_000);
  await house.api.delete(`/v1/api-keys/${key_id}`).expect(404);
  expect(JSON.stringify((await house.api.get('/v1/api-keys')).body)).not.toContain(key_id);
});

test('a key made by one process works in the other at once', async () => {
  const { key } = await make({}, neighbour.api);
  expect(await works(house.url, key)).toBe(true);
});

test('a key works until it expires', async () => {
  const { key } = await make({ expires_at: new Date(house.clock.now() + 3_600_000).toISOString() });
  expect(await works(house.url, key)).toBe(true);
  house.clock.advance(3_599_000 - 60_000);
  expect(await works(house.url, key)).toBe(true);
  house.clock.advance(61_000);
  expect([await works(house.url, key), await works(neighbour.url, key)]).toEqual([false, false]);
});

test('a key cannot make one that may do more than itself', async () => {
  const api = house.as((await make({ scopes: ['api-keys:write', 'events:read'] })).key);
  for (const scopes of [['*'], ['events:write'], ['events:read', 'tenants:write'], undefined]) {
    const { body } = await api.post('/v1/api-keys').send({ name: 'more', scopes }).expect(403);
    expect(body).toMatchObject({ code: 'forbidden', detail: expect.stringContaining('more than itself') });
  }
  await api.post('/v1/api-keys').send({ name: 'less', scopes: ['events:read'] }).expect(201);
  const star = house.as((await make({ scopes: ['*'] })).key);
  await star.post('/v1/api-keys').send({ name: 'more', scopes: ['tenants:write'] }).expect(403);
});

test('a key that expires, or may publish only so much, cannot make one that lasts longer or may publish more', async () => {
  const inHours = (hours: number): string => new Date(house.clock.now() + hours * 3_600_000).toISOString();
  const [soon, later] = [inHours(1), inHours(2)];
  const limit = { per_second: 5, burst: 10 };
  const mortal = house.as((await make({ expires_at: soon })).key);
  for (const expires_at of [undefined, null, later]) expect((await mortal.post('/v1/api-keys').send({ name: 'more', expires_at }).expect(403)).body).toMatchObject({ code: 'forbidden', detail: expect.stringContaining(soon) });
  await make({ expires_at: soon }, mortal);
  const limited = house.as((await make({ rate_limit: limit })).key);
  for (const rate_limit of [undefined, null, { per_second: 6, burst: 10 }, { per_second: 5, burst: 11 }]) expect((await limited.post('/v1/api-keys').send({ name: 'more', rate_limit }).expect(403)).body).toMatchObject({ code: 'forbidden', detail: expect.stringContaining('rate_limit') });
  await make({ rate_limit: limit, expires_at: later }, limited);
  await make({ rate_limit: { per_second: 1 } }, limited);
});

test('a mistyped key, an unknown one and a wrong secret get the same answer', async () => {
  const { key } = await make({});
  const unknown = (await make({})).key;
  await house.sql('DELETE FROM api_keys WHERE hint = $1', [`…${unknown.slice(-4)}`]);
  const bodies = [];
  for (const wrong of [`${key.slice(0, -1)}${key.endsWith('a') ? 'b' : 'a'}`, unknown, key.toLowerCase(), `${ADMIN_KEY}x`, ADMIN_KEY.slice(0, -1), 'x']) bodies.push((await house.as(wrong).get('/v1/events').expect(401)).body);
  expect(new Set(bodies.map((body) => JSON.stringify(body))).size).toBe(1);
});

test('the time of last use is on record', async () => {
  const { key, key_id } = await make({});
  await works(house.url, key);
  await eventually('the use to be noted', async () => (await house.sql<{ last_used_at: Date | null }>('SELECT last_used_at FROM api_keys WHERE key_id = $1', [key_id]))[0]!.last_used_at !== null);
});

test('a new tenant’s first key does everything in it but make tenants', async () => {
  const { admin_key, tenant_id } = (await house.api.post('/v1/tenants').send({ name: 'Acme' }).expect(201)).body;
  expect(tenant_id).toMatch(/^[0-9a-f-]{36}$/);
  await house.as(admin_key).get('/v1/webhooks').expect(200);
  await house.as(admin_key).post('/v1/tenants').send({ name: 'x' }).expect(403);
});

test('the first boot without LAKEHOOK_ADMIN_KEY prints one key, once, and it works', async () => {
  const postgresUrl = inject('postgresUrl');
  const databaseUrl = await emptyDatabase(postgresUrl);
  const written: string[] = [];
  const stdout = vi.spyOn(process.stderr, 'write').mockImplementation((chunk) => Boolean(written.push(String(chunk))));
  const boot = async (): Promise<{ url: string; stop(): Promise<void> }> => startHouse(databaseUrl, { LAKEHOOK_ADMIN_KEY: '' });
  try {
    const first = await boot();
    const keys = written.join('').match(/lh_live_\w+/g);
    expect(keys).toHaveLength(1);
    await apiOf(first.url, keys![0]).post('/v1/tenants').send({ name: 'x' }).expect(201);
    await first.stop();
    const second = await boot();
    expect(await works(second.url, keys![0]!)).toBe(true);
    await second.stop();
    expect(written.join('').match(/lh_live_\w+/g)).toHaveLength(1);
  } finally {
    stdout.mockRestore();
    await dropDatabase(postgresUrl, databaseUrl);
  }
});

test.each(['lh_live_looks like one of ours', 'a passphrase with spaces in it, and 24 characters'])('LAKEHOOK_ADMIN_KEY may be any text, and setting it brings it back after a revocation: %s', async (key) => {
  const postgresUrl = inject('postgresUrl');
  const databaseUrl = await cloneDatabase(postgresUrl);
  try {
    const first = await startHouse(databaseUrl, { LAKEHOOK_ADMIN_KEY: key });
    expect(await works(first.url, key)).toBe(true);
    await apiOf(first.url, key).delete('/v1/api-keys/00000000-0000-7000-8000-000000000001').expect(204);
    expect(await works(first.url, key)).toBe(false);
    await first.stop();
    const second = await startHouse(databaseUrl, { LAKEHOOK_ADMIN_KEY: key });
    expect(await works(second.url, key)).toBe(true);
    await second.stop();
  } finally {
    await dropDatabase(postgresUrl, databaseUrl);
  }
});

test('changing LAKEHOOK_ADMIN_KEY revokes the previous value', async () => {
  const postgresUrl = inject('postgresUrl');
  const databaseUrl = await cloneDatabase(postgresUrl);
  const next = 'another-admin-key-0123456789';
  const changed = await startHouse(databaseUrl, { LAKEHOOK_ADMIN_KEY: next });
  try {
    expect([await works(changed.url, next), await works(changed.url, ADMIN_KEY)]).toEqual([true, false]);
  } finally {
    await changed.stop();
    await dropDatabase(postgresUrl, databaseUrl);
  }
});

test('several first boots at the same time make one tenant', async () => {
  const postgresUrl = inject('postgresUrl');
  const databaseUrl = await emptyDatabase(postgresUrl);
  const houses = await Promise.all([1, 2, 3].map(() => startHouse(databaseUrl)));
  try {
    for (const { url } of houses) expect(await works(url, ADMIN_KEY)).toBe(true);
    await apiOf(houses[0]!.url, ADMIN_KEY).post('/v1/events').send({ event_type: 'first', event_id: 'first', data: {} }).expect(202);
    await apiOf(houses[2]!.url, ADMIN_KEY).get('/v1/events/first').expect(200);
  } finally {
    for (const { stop } of houses) await stop();
    await dropDatabase(postgresUrl, databaseUrl);
  }
});
