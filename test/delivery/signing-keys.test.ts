import { createPublicKey, verify } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { expect, inject, test } from 'vitest';
import { cloneDatabase, dropDatabase } from '../support/database.js';
import { requestOf, snippetOf } from '../support/docs.js';
import { eventually } from '../support/eventually.js';
import { deliveryOf, givenEvent, givenTenant, givenWebhook } from '../support/given.js';
import { type Api, apiOf, startHouse, useHouse, useNeighbour } from '../support/house.js';
import { type Received, useReceiver } from '../support/receiver.js';

const house = useHouse();
const neighbour = useNeighbour(house);
const receiver = useReceiver();

interface Jwk { kty: string; crv: string; x: string; kid: string; use: string; alg: string }
interface Key { signing_key_id: string; status: string; created_at: string; activate_at: string; retire_at: string | null; public_key: Jwk; jwks_path: string }

/** A tenant of its own, so that a test begins without keys. */
async function givenSender(name: string): Promise<{ api: Api; keys: () => Promise<Key[]>; rotate: (body?: object) => Promise<Key>; published: () => Promise<Jwk[]>; send: () => Promise<Received>; type: string }> {
  const api = house.as(await givenTenant(house, name));
  const keys = async () => (await api.get('/v1/signing-keys').expect(200)).body.data as Key[];
  let count = 0;
  return {
    api, keys, type: name,
    rotate: async (body = {}) => (await api.post('/v1/signing-keys/rotate').send(body).expect(200)).body as Key,
    published: async () => (await house.as().get((await keys())[0]!.jwks_path).expect(200)).body.keys as Jwk[],
    send: async () => {
      if (count === 0) await givenWebhook({ ...house, api }, `${receiver.url}/${name}`, { events: [name], signing: ['v1a'] });
      await givenEvent({ ...house, api }, name);
      return (await receiver.received(++count, `/${name}`)).at(-1)!;
    },
  };
}

/** Whether a message carries a good `v1a` signature by one of these keys. */
function verifies({ body, headers }: Received, keys: Jwk[]): boolean {
  const key = keys.find(({ kid }) => kid === headers['webhook-key-id']);
  const signature = (headers['webhook-signature'] as string).split(' ').find((part) => part.startsWith('v1a,'))!.slice(4);
  const signed = Buffer.concat([Buffer.from(`${headers['webhook-id'] as string}.${headers['webhook-timestamp'] as string}.`), body]);
  return key !== undefined && verify(null, signed, createPublicKey({ key: { ...key }, format: 'jwk' }), Buffer.from(signature, 'base64'));
}

test('what is signed with a key pair verifies with the published key, beside v1 or alone; without being asked for there is none', async () => {
  for (const signing of [['v1', 'v1a'], ['v1a', 'v1'], ['v1a'], ['v1']]) {
    const type = `signing.${signing.join('-')}`;
    const { secret } = await givenWebhook(house, `${receiver.url}/${type}`, { events: [type], signing });
    await givenEvent(house, type, { text: 'Zoë 😀' });
    const [request] = await receiver.received(1, `/${type}`);
    const headers = request!.headers as Record<string, string>;
    expect(headers['webhook-signature']!.split(' ').map((part) => part.split(',')[0])).toEqual(['v1', 'v1a'].filter((scheme) => signing.includes(scheme)));
    if (signing.includes('v1a')) {
      const { keys } = (await house.as().get('/.well-known/webhooks-jwks.json').expect(200)).body;
      expect(verifies(request!, keys)).toBe(true);
      expect(verifies({ ...request!, body: Buffer.concat([request!.body, Buffer.from(' ')]) }, keys)).toBe(false);
    } else expect(headers).not.toHaveProperty('webhook-key-id');
    if (signing.includes('v1')) expect(new Webhook(secret).verify(request!.body, headers)).toMatchObject({ event_type: type });
    expect('x-webhook-signature' in headers).toBe(signing.includes('v1'));
  }
});

test('the key set is public, cacheable, standard, and holds no private part', async () => {
  const { api, rotate, keys } = await givenSender('key.set');
  const made = await rotate();
  expect(made).toMatchObject({ status: 'active', retire_at: null, public_key: { kty: 'OKP', crv: 'Ed25519', kid: made.signing_key_id, use: 'sig', alg: 'EdDSA', x: expect.stringMatching(/^[\w-]{43}$/) } });
  expect(await keys()).toEqual([made]);
  const answer = await house.as().get(made.jwks_path).expect(200).expect('cache-control', 'public, max-age=300').expect('content-type', /^application\/jwk-set\+json/);
  expect(answer.body).toEqual({ keys: [made.public_key] });
  expect(Object.keys(made.public_key)).toHaveLength(6);
  const [row] = await house.sql<{ row: string }>('SELECT k::text AS row FROM signing_keys k WHERE signing_key_id = $1', [made.signing_key_id]);
  expect(row!.row).toContain('v1.');
  expect(row!.row).not.toContain('PRIVATE KEY');
  await api.get('/v1/signing-keys?huh=1').expect(200);
});

test('a failure of the key set is not kept by caches', async () => {
  const answer = await house.as().get('/.well-known/webhooks-jwks.json?tenant_id=x').expect(422);
  expect(answer.headers).not.toHaveProperty('cache-control');
});

test('each tenant signs with its own keys, and no address answers with those of another', async () => {
  const [one, other] = [await givenSender('tenant.one'), await givenSender('tenant.other')];
  const [message, foreign] = [await one.send(), await other.send()];
  const [own, theirs] = [await one.published(), await other.published()];
  expect([verifies(message, own), verifies(message, theirs), verifies(foreign, own), verifies(foreign, theirs)]).toEqual([true, false, false, true]);
  const set = async (query: string): Promise<string[]> => ((await house.as().get(`/.well-known/webhooks-jwks.json${query}`).expect(200)).body.keys as Jwk[]).map(({ kid }) => kid);
  const tenant = new URLSearchParams((await one.keys())[0]!.jwks_path.split('?')[1]).get('tenant_id')!;
  const [ownKid, foreignKid] = [own[0]!.kid, theirs[0]!.kid];
  expect(await set(`?tenant_id=${tenant}`)).toEqual([ownKid]);
  expect(await set(`?tenant_id=${tenant}&kid=${ownKid}`)).toEqual([ownKid]);
  // A kid that a forger put into the header leads nowhere.
  expect(await set(`?tenant_id=${tenant}&kid=${foreignKid}`)).toEqual([]);
  expect(await set(`?kid=${foreignKid}`)).toEqual([]);
  expect(await set(`?tenant_id=${foreignKid}`)).toEqual([]);
  // Without a name it is the first tenant, whoever has joined since.
  expect(await set('')).not.toContain(ownKid);
  expect(await set('')).toEqual(((await house.api.get('/v1/signing-keys').expect(200)).body.data as Key[]).map(({ signing_key_id }) => signing_key_id));
});

test('a new key is published before it signs, and the old one after it has stopped', async () => {
  const { send, rotate, keys, published } = await givenSender('rotation');
  const before = await send();
  const [first] = await keys();
  expect(before.headers['webhook-key-id']).toBe(first!.signing_key_id);
  const second = await rotate({ overlap_hours: 2 });
  expect(second.status).toBe('pending');
  expect(Date.parse(second.activate_at) - Date.parse(second.created_at)).toBe(900_000);
  expect((await keys()).map(({ signing_key_id, status, retire_at }) => [signing_key_id, status, retire_at === null])).toEqual([[second.signing_key_id, 'pending', true], [first!.signing_key_id, 'active', false]]);
  // A receiver that fetched the set from now on knows all that comes.
  const cached = await published();
  expect(cached.map(({ kid }) => kid)).toEqual([second.signing_key_id, first!.signing_key_id]);
  const during = await send();
  expect([during.headers['webhook-key-id'], verifies(during, cached)]).toEqual([first!.signing_key_id, true]);
  house.clock.advance(901_000);
  const after = await send();
  expect([after.headers['webhook-key-id'], verifies(after, cached)]).toEqual([second.signing_key_id, true]);
  expect((await keys()).map(({ status }) => status)).toEqual(['active', 'retiring']);
  expect((await published()).map(({ kid }) => kid)).toEqual([second.signing_key_id, first!.signing_key_id]);
  house.clock.advance(2 * 3_600_000);
  expect((await published()).map(({ kid }) => kid)).toEqual([second.signing_key_id]);
  expect(verifies(await send(), await published())).toBe(true);
});

test('a leaked key is ended at once, as documented: every process signs with the new one, and what was about to come is dropped', async () => {
  const { send, rotate, keys, published } = await givenSender('leak');
  await send();
  const pending = await rotate();
  const { path, body } = requestOf(snippetOf('sh', 'may have leaked'));
  expect(path).toBe('/v1/signing-keys/rotate');
  const fresh = await rotate(body);
  expect(fresh.status).toBe('active');
  expect((await keys()).map(({ signing_key_id }) => signing_key_id)).toEqual([fresh.signing_key_id]);
  expect((await published()).map(({ kid }) => kid)).toEqual([fresh.signing_key_id]);
  // Both processes claim, so of several messages some come from either; within a second none is by an old key.
  await eventually('ten messages in a row to be by the new key', async () => {
    const kids = [];
    for (let n = 0; n < 10; n++) kids.push((await send()).headers['webhook-key-id']);
    return kids.every((kid) => kid === fresh.signing_key_id);
  });
  house.clock.advance(1_000_000);
  expect((await send()).headers['webhook-key-id']).toBe(fresh.signing_key_id);
  expect((await keys()).map(({ signing_key_id }) => signing_key_id)).not.toContain(pending.signing_key_id);
});

test('the first key is made once, whichever of many processes and requests come first', async () => {
  const { api, keys } = await givenSender('race');
  const key = /^Bearer (.+)$/.exec((await api.get('/v1/events').expect(200)).request.getHeader('authorization') as unknown as string)![1]!;
  const apis = [api, neighbour.as(key)];
  const made = await Promise.all(Array.from({ length: 12 }, (_, n) => apis[n % 2]!.post('/v1/webhooks').send({ url: receiver.url, events: ['never'], signing: ['v1a'] })));
  expect(made.map(({ status }) => status)).toEqual(Array(12).fill(201));
  expect(await keys()).toHaveLength(1);
});

test('rotations at the same time, from two processes, leave every one of their keys published and one without an end', async () => {
  const { api, keys } = await givenSender('rotations');
  const key = /^Bearer (.+)$/.exec((await api.get('/v1/events').expect(200)).request.getHeader('authorization') as unknown as string)![1]!;
  const answers = await Promise.all([api, neighbour.as(key), api, neighbour.as(key)].map((each) => each.post('/v1/signing-keys/rotate').send({ activate_after_seconds: 0 })));
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
  const list = await keys();
  expect(list.map(({ signing_key_id }) => signing_key_id).sort()).toEqual(answers.map(({ body }) => body.signing_key_id as string).sort());
  expect(list.filter(({ retire_at }) => retire_at === null)).toHaveLength(1);
  expect(list.filter(({ status }) => status === 'active')).toHaveLength(1);
});

test('five keys are published at most; one that would overlap too many is refused and changes nothing', async () => {
  const { rotate, keys, api } = await givenSender('many');
  for (let n = 0; n < 5; n++) await rotate({ activate_after_seconds: 0 });
  const before = await keys();
  expect((await api.post('/v1/signing-keys/rotate').send({ activate_after_seconds: 0 }).expect(409)).body.code).toBe('conflict');
  expect(await keys()).toEqual(before);
  await rotate({ activate_after_seconds: 0, overlap_hours: 0 });
  expect(await keys()).toHaveLength(1);
});

test('a rotation with an idempotency key is done once', async () => {
  const { api, keys } = await givenSender('once');
  const answers = [];
  for (let n = 0; n < 2; n++) answers.push((await api.post('/v1/signing-keys/rotate').set('idempotency-key', 'rotate').send({}).expect(200)).body);
  expect(answers[1]).toEqual(answers[0]);
  expect(await keys()).toHaveLength(1);
});

test('a key that does not open fails the attempt, says so, and holds up no other webhook', async () => {
  const broken = await givenSender('broken.key');
  await broken.rotate();
  await house.sql("UPDATE signing_keys SET sealed = 'v1.00000000.AAAA' WHERE signing_key_id = $1", [(await broken.keys())[0]!.signing_key_id]);
  const theirs = { ...house, api: broken.api };
  await givenWebhook(theirs, `${receiver.url}/broken-key`, { events: ['broken.key'], signing: ['v1', 'v1a'], retry_policy: { max_retries: 0 } });
  const { webhook_id } = await givenWebhook(theirs, `${receiver.url}/sound`, { events: ['broken.key'] });
  const eventId = await givenEvent(theirs, 'broken.key');
  await deliveryOf(theirs, eventId, 'succeeded', webhook_id);
  const { attempts: [attempt] } = await deliveryOf(theirs, eventId, 'dead');
  expect(attempt).toMatchObject({ error_class: 'secret_unreadable', error: expect.stringContaining('signing key') });
  expect(receiver.requests.map(({ path }) => path)).toEqual(['/sound']);
});

test('a private key moved to another tenant’s row does not open', async () => {
  const [one, other] = [await givenSender('moved.from'), await givenSender('moved.to')];
  const [from, to] = [await one.rotate(), await other.rotate()];
  await house.sql('UPDATE signing_keys t SET sealed = f.sealed FROM signing_keys f WHERE t.signing_key_id = $1 AND f.signing_key_id = $2', [to.signing_key_id, from.signing_key_id]);
  const { webhook_id } = await givenWebhook({ ...house, api: other.api }, `${receiver.url}/moved`, { events: ['never'], signing: ['v1a'] });
  expect((await other.api.post(`/v1/webhooks/${webhook_id}/test`).send({}).expect(200)).body).toMatchObject({ status: 'dead', error: expect.stringContaining('cannot be opened') });
});

test('a process in the role `worker` does not serve the key set', async () => {
  const postgresUrl = inject('postgresUrl');
  const databaseUrl = await cloneDatabase(postgresUrl);
  const worker = await startHouse(databaseUrl, { ROLE: 'worker' });
  try {
    await apiOf(worker.url).get('/.well-known/webhooks-jwks.json').expect(404);
  } finally {
    await worker.stop();
    await dropDatabase(postgresUrl, databaseUrl);
  }
});
