import { once } from 'node:events';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { expect, test } from 'vitest';
import { identityOf } from '../../src/delivery/credentials/tls.js';
import { Dispatcher } from '../../src/platform/outbound/dispatcher.js';
import { AddressGuard } from '../../src/platform/outbound/guard.js';
import { type Issued, issue } from '../support/certificates.js';
import { eventually } from '../support/eventually.js';
import { deliveryOf, givenEvent, givenWebhook, QUICK, type SeenDelivery } from '../support/given.js';
import { useHouse } from '../support/house.js';
import { givenTlsReceiver, type TlsReceiver, useTlsReceivers } from '../support/tls-receiver.js';

const house = useHouse();
useTlsReceivers();

const ca = issue({ name: 'Private CA', ca: true });
const foreign = issue({ name: 'Foreign CA', ca: true });
const server = issue({ name: 'localhost', by: ca });
const [alice, bob, stranger] = [issue({ name: 'alice', by: ca }), issue({ name: 'bob', by: ca }), issue({ name: 'stranger', by: foreign })];

const tlsOf = (client?: Issued, trusted = ca) => ({ ...(client && { client_certificate: client.certificate, client_key: client.key }), ca_certificate: trusted.certificate });
const mutual = (maxVersion: 'TLSv1.2' | 'TLSv1.3' = 'TLSv1.3'): Promise<TlsReceiver> =>
  givenTlsReceiver({ key: server.key, cert: server.certificate, ca: ca.certificate, requestCert: true, rejectUnauthorized: true, maxVersion });

let count = 0;
/** One attempt at a webhook of its own. */
async function attemptAt(url: string, tls: object | undefined, retries = 0): Promise<{ webhookId: string; delivery: SeenDelivery }> {
  const type = `tls.n${++count}`;
  const { webhook_id } = await givenWebhook(house, url, { events: [type], tls, retry_policy: { ...QUICK, max_retries: retries } });
  const eventId = await givenEvent(house, type);
  const ended = await eventually('the delivery to end', async () => (await house.api.get(`/v1/deliveries?event_id=${eventId}`)).body.data.find(({ status }: SeenDelivery) => status === 'dead' || status === 'succeeded') as SeenDelivery | undefined);
  return { webhookId: webhook_id, delivery: await deliveryOf(house, eventId, ended.status) };
}

test('a receiver with a certificate of a private authority is reached when the webhook names the authority, and only then', async () => {
  const receiver = await givenTlsReceiver({ key: server.key, cert: server.certificate });
  expect((await attemptAt(receiver.url, tlsOf())).delivery.status).toBe('succeeded');
  for (const tls of [undefined, tlsOf(undefined, foreign)]) {
    const { delivery } = await attemptAt(receiver.url, tls);
    expect(delivery.attempts).toMatchObject([{ error_class: 'tls', response_status: null, error: expect.stringMatching(/from an authority that is not trusted; a private one can be set on the webhook/) }]);
  }
  expect(receiver.requests).toHaveLength(1);
});

test.each(['TLSv1.2', 'TLSv1.3'] as const)('a client certificate is shown to a receiver that asks for one (%s)', async (version) => {
  const receiver = await mutual(version);
  expect((await attemptAt(receiver.url, tlsOf(alice))).delivery.status).toBe('succeeded');
  expect(receiver.requests.map(({ client }) => client)).toEqual(['alice']);
  for (const client of [stranger, undefined]) {
    const { delivery } = await attemptAt(receiver.url, tlsOf(client));
    // Without a certificate of ours, TLS 1.3 shows no more than a closed connection.
    expect(delivery.attempts).toMatchObject([client || version === 'TLSv1.2' ? { error_class: 'tls', error: expect.stringMatching(/refuses|broke the handshake off/) } : { error_class: 'reset' }]);
  }
  expect(receiver.requests).toHaveLength(1);
});

test('webhooks on one receiver never share a connection across identities', async () => {
  const receiver = await mutual();
  const paths = ['/alice', '/bob', '/alice-too'];
  for (const [index, client] of [alice, bob, alice].entries()) {
    await givenWebhook(house, `${receiver.url}${paths[index]}`, { events: ['shared'], tls: tlsOf(client) });
  }
  for (let n = 0; n < 4; n++) {
    await givenEvent(house, 'shared');
    await eventually('all three to have it', () => receiver.requests.length === 3 * (n + 1));
  }
  for (const [path, client] of [['/alice', 'alice'], ['/bob', 'bob'], ['/alice-too', 'alice']]) {
    expect(receiver.requests.filter((request) => request.path === path).map((request) => request.client)).toEqual([client, client, client, client]);
  }
  const used = paths.map((path) => new Set(receiver.requests.filter((request) => request.path === path).map(({ connection }) => connection)));
  // Kept alive within each, and apart.
  expect(used.map(({ size }) => size)).toEqual([1, 1, 1]);
  expect(new Set(used.flatMap((connections) => [...connections])).size).toBe(3);
});

test('a changed certificate counts from the next attempt on, and the old one’s connections are closed', async () => {
  const receiver = await mutual();
  const { webhook_id } = await givenWebhook(house, receiver.url, { events: ['renewed'], tls: tlsOf(alice) });
  await deliveryOf(house, await givenEvent(house, 'renewed'), 'succeeded');
  expect(receiver.open()).toBe(1);
  await house.api.patch(`/v1/webhooks/${webhook_id}`).send({ tls: tlsOf(bob) }).expect(200);
  await deliveryOf(house, await givenEvent(house, 'renewed'), 'succeeded');
  expect(receiver.requests.map(({ client }) => client)).toEqual(['alice', 'bob']);
  await eventually('the first connection to be closed', () => receiver.open() === 1);
  await house.api.patch(`/v1/webhooks/${webhook_id}`).send({ description: 'not about tls' }).expect(200);
  await deliveryOf(house, await givenEvent(house, 'renewed'), 'succeeded');
  expect(receiver.requests.map(({ connection }) => connection)).toEqual([0, 1, 1]);
});

test('without its identity a webhook is refused again', async () => {
  const receiver = await mutual();
  const { webhook_id } = await givenWebhook(house, receiver.url, { events: ['dropped'], tls: tlsOf(alice), retry_policy: { max_retries: 0 } });
  await deliveryOf(house, await givenEvent(house, 'dropped'), 'succeeded');
  await house.api.patch(`/v1/webhooks/${webhook_id}`).send({ tls: { ca_certificate: ca.certificate } }).expect(200);
  await deliveryOf(house, await givenEvent(house, 'dropped'), 'dead');
  expect(receiver.requests).toHaveLength(1);
});

test.each([
  [48, /does not trust the authority that issued the client certificate/], [45, /finds the client certificate expired/], [116, /asks for a client certificate/],
  [42, /refuses the client certificate/], [40, /refuses the handshake/],
])('a receiver that ends the handshake with alert %i is told in words', async (alert, words) => {
  // A fatal alert in the clear, as an answer to the first message of the handshake.
  const listener = createTcpServer((socket) => void socket.on('error', () => {}).once('data', () => socket.end(Buffer.from([0x15, 3, 3, 0, 2, 2, alert])))).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { delivery } = await attemptAt(`https://localhost:${(listener.address() as AddressInfo).port}`, tlsOf(alice));
  listener.close();
  expect(delivery.attempts).toMatchObject([{ error_class: 'tls', response_status: null, error: expect.stringMatching(words) }]);
  expect(delivery.attempts[0]!.error).not.toMatch(/deps\/openssl/);
});

test('an expired client certificate is named as the reason, with its date', async () => {
  const receiver = await mutual();
  const dispatcher = new Dispatcher({ timeoutMs: 2_000, connectTimeoutMs: 2_000, connections: 1 }, new AddressGuard('true'));
  // Not through the API, which would refuse it: certificates expire while they are stored.
  const late = identityOf(tlsOf(issue({ name: 'late', by: ca, until: new Date('2024-01-01') })), 'w');
  expect(await dispatcher.post(receiver.url, {}, Buffer.from('{}'), late)).toMatchObject({ errorClass: 'tls', error: expect.stringMatching(/^The client certificate expired on 2024-01-01T00:00:00.000Z; set a new one\./) });
  await dispatcher.close();
});

test('of very many identities the least recently used one’s connections are closed, and made anew when needed', async () => {
  const receiver = await mutual();
  const dispatcher = new Dispatcher({ timeoutMs: 5_000, connectTimeoutMs: 5_000, connections: 1 }, new AddressGuard('true'));
  const post = (owner: string, url = receiver.url) => dispatcher.post(url, {}, Buffer.from('{}'), identityOf(tlsOf(alice), owner));
  await post('first');
  await post('second');
  expect(receiver.open()).toBe(2);
  for (let n = 0; n < 998; n++) await post(`other ${n}`, 'https://169.254.1.1/');
  await post('first');
  await post('one too many', 'https://169.254.1.1/');
  await eventually('the second connection to be closed', () => receiver.open() === 1);
  expect(await post('first')).toMatchObject({ status: 200 });
  expect(await post('second')).toMatchObject({ status: 200 });
  expect(receiver.requests.map(({ connection }) => connection)).toEqual([0, 1, 0, 0, 2]);
  await dispatcher.close();
});

test('certificates are shown by subject, fingerprint and expiry, the key never; what was shown can be sent back', async () => {
  const { webhook_id } = await givenWebhook(house, 'https://localhost:9/', { tls: tlsOf(alice), is_active: false });
  const { body } = await house.api.get(`/v1/webhooks/${webhook_id}`).expect(200);
  expect(body.tls).toEqual({ client_certificate: alice.certificate, client_key: '********', ca_certificate: ca.certificate });
  expect(body.tls_certificates).toEqual([
    { role: 'client', subject: 'CN=alice', fingerprint: expect.stringMatching(/^([0-9A-F]{2}:){31}[0-9A-F]{2}$/), not_after: '2120-01-01T00:00:00.000Z' },
    { role: 'ca', subject: 'CN=Private CA', fingerprint: expect.any(String), not_after: '2120-01-01T00:00:00.000Z' },
  ]);
  expect((await house.api.put(`/v1/webhooks/${webhook_id}`).send({ url: body.url, tls: body.tls }).expect(200)).body.tls).toEqual(body.tls);
  // The kept key does not fit another certificate.
  const refused = await house.api.patch(`/v1/webhooks/${webhook_id}`).send({ tls: { ...body.tls, client_certificate: bob.certificate } }).expect(422);
  expect(refused.body.errors).toEqual([{ pointer: '/tls/client_key', detail: 'does not belong to client_certificate' }]);
  expect(JSON.stringify(refused.body)).not.toContain('PRIVATE');
});

test('tls and an http:// url are refused together, whichever is given', async () => {
  const { body } = await house.api.post('/v1/webhooks').send({ url: 'http://localhost:9/', tls: tlsOf() }).expect(422);
  expect(body.errors).toEqual([{ pointer: '/tls', detail: 'needs a url that starts with https://' }]);
  const { webhook_id } = await givenWebhook(house, 'https://localhost:9/', { tls: tlsOf(), is_active: false });
  const refused = await house.api.patch(`/v1/webhooks/${webhook_id}`).send({ url: 'http://localhost:9/' }).expect(422);
  expect(refused.body.errors).toEqual([{ pointer: '/url', detail: 'must start with https://, because the webhook has tls' }]);
  await house.api.patch(`/v1/webhooks/${webhook_id}`).send({ url: 'http://localhost:9/', tls: {} }).expect(200);
});
