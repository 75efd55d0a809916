import { expect, test } from 'vitest';
import { eventually } from '../support/eventually.js';
import { givenTenant } from '../support/given.js';
import { type Api, useHouse, useNeighbour } from '../support/house.js';

const house = useHouse();
const neighbour = useNeighbour(house);

const post = (path: string, key: string, body: object, api: Api = house.api) => api.post(path).set('idempotency-key', key).send(body);
const count = async (table: 'events' | 'webhooks'): Promise<number> => Number((await house.sql<{ count: string }>(`SELECT count(*) FROM ${table}`))[0]!.count);
const HOOK = { url: 'http://127.0.0.1:9/hook' };

test('the same request under the same key is answered again and done once', async () => {
  const first = await post('/v1/webhooks', 'again', HOOK).expect(201);
  expect(first.headers['idempotent-replayed']).toBeUndefined();
  const before = await count('webhooks');
  for (const api of [house.api, neighbour.api]) {
    const second = await post('/v1/webhooks', 'again', HOOK, api).expect(201).expect('idempotent-replayed', 'true').expect('content-type', /^application\/json/);
    // The secret is shown again too: its first answer may have been lost.
    expect(second.body).toEqual(first.body);
  }
  expect(await count('webhooks')).toBe(before);
});

test('the kept answer is sealed: the secret in it stands nowhere in the table', async () => {
  const { secret } = (await post('/v1/webhooks', 'sealed', HOOK).expect(201)).body as { secret: string };
  const [row] = await house.sql<{ row: string; answer: string }>("SELECT k::text AS row, answer FROM idempotency_keys k WHERE key = 'sealed'");
  expect(row!.answer).toMatch(/^v1\./);
  expect(row!.row).not.toContain(secret);
  const decoded = Buffer.from(row!.answer.split('.')[2]!, 'base64url').toString('latin1');
  expect(decoded).not.toContain(secret);
});

test('the same key with another body is a conflict that names the first route', async () => {
  await post('/v1/webhooks', 'other-body', HOOK).expect(201);
  const { body } = await post('/v1/webhooks', 'other-body', { ...HOOK, description: 'x' }).expect(409);
  expect(body).toMatchObject({ code: 'idempotency_key_reused', detail: expect.stringContaining('/v1/webhooks') });
  await post('/v1/events', 'other-body', HOOK).expect(409);
  await post('/v1/webhooks?x=1', 'other-body', HOOK).expect(409);
});

test('another API key is not given the answer: it may show what that key is not allowed', async () => {
  const root = { name: 'root', scopes: ['*'] };
  await post('/v1/api-keys', 'escalation', root).expect(201);
  const { key } = (await house.api.post('/v1/api-keys').send({ name: 'low', scopes: ['api-keys:write'] }).expect(201)).body as { key: string };
  expect((await post('/v1/api-keys', 'escalation', root, house.as(key)).expect(409)).body).not.toHaveProperty('key');
  await post('/v1/api-keys', 'not-escalated', root, house.as(key)).expect(403);
});

test('a refused request leaves the key free for a corrected one', async () => {
  await post('/v1/webhooks', 'corrected', { url: 'nonsense' }).expect(422);
  await post('/v1/webhooks', 'corrected', HOOK).expect(201);
});

test('of two that use a key at the same time one is done and the other is told to wait or gets the same answer', async () => {
  const before = await count('webhooks');
  const answers = await Promise.all([house.api, neighbour.api, house.api, neighbour.api].map((api) => post('/v1/webhooks', 'at-once', HOOK, api)));
  const made = answers.filter(({ status }) => status === 201);
  expect(made.length).toBeGreaterThan(0);
  expect(new Set(made.map(({ body }) => body.webhook_id)).size).toBe(1);
  for (const { status, body, headers } of answers.filter((answer) => answer.status !== 201)) {
    expect([status, body.code, headers['retry-after']]).toEqual([409, 'idempotency_key_in_use', '1']);
  }
  expect(await count('webhooks')).toBe(before + 1);
  await eventually('the key to have its answer', async () => (await post('/v1/webhooks', 'at-once', HOOK)).status === 201);
});

test('an answer that cannot be kept is given all the same, and its key is held for a minute', async () => {
  await house.sql("CREATE FUNCTION refuse_answer() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.key = 'unkept' AND NEW.status IS NOT NULL THEN RAISE EXCEPTION 'disk full' USING ERRCODE = '53100'; END IF; RETURN NEW; END $$");
  await house.sql('CREATE TRIGGER refuse_answer BEFORE UPDATE ON idempotency_keys FOR EACH ROW EXECUTE FUNCTION refuse_answer()');
  const before = await count('webhooks');
  const first = await post('/v1/webhooks', 'unkept', HOOK).expect(201);
  expect(first.body.secret).toMatch(/^whsec_/);
  await house.sql('DROP TRIGGER refuse_answer ON idempotency_keys');
  // It was done, so it must not be done again at once.
  expect((await post('/v1/webhooks', 'unkept', HOOK).expect(409).expect('retry-after', '1')).body.code).toBe('idempotency_key_in_use');
  expect(await count('webhooks')).toBe(before + 1);
});

test('a request that never ended holds its key for a minute only', async () => {
  await post('/v1/webhooks', 'crashed', HOOK).expect(201);
  await house.sql("UPDATE idempotency_keys SET status = NULL, answer = NULL WHERE key = 'crashed'");
  await post('/v1/webhooks', 'crashed', HOOK).expect(409);
  await house.sql("UPDATE idempotency_keys SET created_at = now() - interval '61 seconds' WHERE key = 'crashed'");
  await post('/v1/webhooks', 'crashed', HOOK).expect(201);
});

test('a key is new again after 24 hours', async () => {
  const first = (await post('/v1/webhooks', 'yesterday', HOOK).expect(201)).body;
  await house.sql("UPDATE idempotency_keys SET created_at = now() - interval '23 hours' WHERE key = 'yesterday'");
  expect((await post('/v1/webhooks', 'yesterday', HOOK).expect(201)).body.webhook_id).toBe(first.webhook_id);
  await house.sql("UPDATE idempotency_keys SET created_at = now() - interval '25 hours' WHERE key = 'yesterday'");
  expect((await post('/v1/webhooks', 'yesterday', HOOK).expect(201)).body.webhook_id).not.toBe(first.webhook_id);
});

test('tenants do not share keys', async () => {
  const other = house.as(await givenTenant(house));
  const mine = (await post('/v1/webhooks', 'per-tenant', HOOK).expect(201)).body;
  expect((await post('/v1/webhooks', 'per-tenant', HOOK, other).expect(201)).body.webhook_id).not.toBe(mine.webhook_id);
});

test('an event without an id of its own is stored once, even when the answer was lost in a crash', async () => {
  const event = { event_type: 'lost.answer', data: { n: 1 } };
  const batch = { events: [event, event] };
  const first = (await post('/v1/events', 'lost', event).expect(202)).body;
  const both = (await post('/v1/events', 'lost-batch', batch).expect(202)).body.data;
  expect(both[0].event_id).not.toBe(both[1].event_id);
  // As after a crash between the commit and the answer: the event is in the log, the key remembers nothing.
  await house.sql("DELETE FROM idempotency_keys WHERE key LIKE 'lost%'");
  const before = await count('events');
  expect((await post('/v1/events', 'lost', event, neighbour.api).expect(202)).body).toEqual({ event_id: first.event_id, duplicate: true });
  expect((await post('/v1/events', 'lost-batch', batch).expect(202)).body.data).toEqual(both.map(({ event_id }: { event_id: string }) => ({ event_id, duplicate: true })));
  expect(await count('events')).toBe(before);
  await house.api.get(`/v1/events/${first.event_id}`).expect(200);
});

test('the same event under another key is another event', async () => {
  const event = { event_type: 'other.key', data: {} };
  const ids = await Promise.all(['k1', 'k2'].map(async (key) => (await post('/v1/events', key, event).expect(202)).body.event_id));
  expect(ids[0]).not.toBe(ids[1]);
});

test.each(['', 'x'.repeat(256), 'tab\tin it', 'ünï'])('the key %.20j is refused', async (key) => {
  const { body } = await post('/v1/webhooks', key, HOOK).expect(422);
  expect(body.errors).toEqual([expect.objectContaining({ pointer: 'Idempotency-Key' })]);
});

test('a publish is answered and refused in the same words, with such a key and without', async () => {
  const { key: reader } = (await house.api.post('/v1/api-keys').send({ name: 'reader', scopes: ['events:read'] }).expect(201)).body;
  const attempts: [string, Api, object][] = [
    ['no key', house.as(), { event_type: 'a', data: {} }], ['a wrong key', house.as('lh_live_wrong'), { event_type: 'a', data: {} }], ['another scope', house.as(reader), { event_type: 'a', data: {} }],
    ['no type', house.api, { data: {} }], ['a batch of none', house.api, { events: [] }], ['a batch of which one is refused', house.api, { events: [{ event_type: 'a', event_id: 'words-1', data: {} }, { event_type: '*', data: {} }] }],
    ['good', house.api, { event_type: 'a', event_id: 'words-2', data: {} }],
  ];
  await house.api.post('/v1/events').send({ events: [{ event_type: 'a', event_id: 'words-1', data: {} }, { event_type: 'a', event_id: 'words-2', data: {} }] }).expect(202);
  for (const [name, api, body] of attempts) {
    const [without, withKey] = [await api.post('/v1/events').send(body), await post('/v1/events', `words ${name}`, body, api)];
    const told = ({ status, body: answer, headers }: typeof without) => [name, status, answer, headers['content-type'], headers['www-authenticate'], Object.keys(headers).sort()];
    expect(told(withKey)).toEqual(told(without));
  }
});
