import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, createServer } from 'node:net';
import { afterAll, expect, test } from 'vitest';
import { deliveryOf, givenEvent, givenWebhook, QUICK, type SeenDelivery } from '../support/given.js';
import { useHouse } from '../support/house.js';
import { useReceiver } from '../support/receiver.js';
import { SELF_SIGNED } from '../support/self-signed.js';

const house = useHouse({ DELIVERY_TIMEOUT_MS: '500' });
const receiver = useReceiver();
const closers: (() => void)[] = [];
afterAll(() => closers.forEach((close) => close()));

/** The one attempt at a webhook that is given up at once. */
async function attemptAt(url: string): Promise<SeenDelivery['attempts'][number]> {
  const type = `fail.${randomBytes(4).toString('hex')}`;
  await givenWebhook(house, url, { events: [type], retry_policy: { max_retries: 0 } });
  const { attempts } = await deliveryOf(house, await givenEvent(house, type), 'dead');
  expect(attempts).toHaveLength(1);
  return attempts[0]!;
}

test('a receiver that never answers is given up after the timeout', async () => {
  receiver.answer = () => () => {};
  expect(await attemptAt(`${receiver.url}/silent`)).toMatchObject({ error_class: 'timeout', response_status: null, error: 'No answer within 0.5 s.' });
});

test('a receiver that drips its answer is given up after the timeout, and what came is kept', async () => {
  receiver.answer = () => (response) => {
    response.writeHead(200);
    const drip = setInterval(() => response.write('x'), 50);
    response.on('close', () => clearInterval(drip));
  };
  expect(await attemptAt(`${receiver.url}/drip`)).toMatchObject({ error_class: 'timeout', response_status: 200, response_body: expect.stringMatching(/^x+$/) });
});

test('a receiver that drips its headers is given up after the timeout', async () => {
  receiver.answer = () => (_, socket) => {
    socket.write('HTTP/1.1 200 OK\r\n');
    const drip = setInterval(() => socket.write('x-a: b\r\n'), 50);
    socket.on('close', () => clearInterval(drip));
  };
  expect(await attemptAt(`${receiver.url}/drip-headers`)).toMatchObject({ error_class: 'timeout', response_status: null });
});

test('a connection reset is told as such', async () => {
  receiver.answer = () => (_, socket) => void socket.resetAndDestroy();
  expect(await attemptAt(`${receiver.url}/reset`)).toMatchObject({ error_class: 'reset', response_status: null });
});

test('a connection closed half way through the answer is told as such', async () => {
  receiver.answer = () => (_, socket) => void socket.end('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf');
  expect(await attemptAt(`${receiver.url}/half`)).toMatchObject({ error_class: 'reset', response_status: 200, response_body: 'half' });
});

test('an answer that is not HTTP is told as such', async () => {
  receiver.answer = () => (_, socket) => void socket.end('220 mail.example.com ESMTP\r\n');
  expect(await attemptAt(`${receiver.url}/smtp`)).toMatchObject({ error_class: 'protocol', response_status: null });
});

test('a port that nobody listens on refuses the connection', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  expect(await attemptAt(`http://127.0.0.1:${port}/`)).toMatchObject({ error_class: 'connect_refused', error: expect.stringContaining('nothing listens') });
});

test('a name that does not resolve is told as such', async () => {
  expect(await attemptAt('http://no-such-name.invalid/')).toMatchObject({ error_class: 'dns', response_status: null });
});

test('a self-signed certificate is not trusted', async () => {
  let requests = 0;
  const server = createTlsServer(SELF_SIGNED, (_, response) => void (requests++, response.end())).listen(0, '127.0.0.1');
  closers.push(() => server.close());
  await once(server, 'listening');
  expect(await attemptAt(`https://127.0.0.1:${(server.address() as AddressInfo).port}/`)).toMatchObject({ error_class: 'tls', error: expect.stringContaining('self-signed') });
  expect(requests).toBe(0);
});

test('https to a port that speaks plain http fails as TLS', async () => {
  expect(await attemptAt(receiver.url.replace('http:', 'https:'))).toMatchObject({ error_class: 'tls' });
  expect(receiver.requests).toEqual([]);
});

test('a connection that is closed during the TLS handshake fails as TLS', async () => {
  const server = createServer((socket) => socket.once('data', () => socket.destroy())).listen(0, '127.0.0.1');
  closers.push(() => server.close());
  await once(server, 'listening');
  expect(await attemptAt(`https://127.0.0.1:${(server.address() as AddressInfo).port}/`)).toMatchObject({ error_class: 'tls', error: expect.stringContaining('handshake') });
});

test('an answer whose headers never end in size is told as too large', async () => {
  receiver.answer = () => (_, socket) => void socket.end(`HTTP/1.1 200 OK\r\n${'x-fill: '.concat('y'.repeat(4_000), '\r\n').repeat(100)}\r\n`);
  expect(await attemptAt(`${receiver.url}/headers`)).toMatchObject({ error_class: 'response_too_large', error: expect.stringContaining('headers') });
});

test('of a long answer the first 16 KiB are kept', async () => {
  receiver.answer = () => ({ status: 400, body: 'ab'.repeat(50_000) });
  const { response_body, error_class } = await attemptAt(`${receiver.url}/long`);
  expect(response_body).toBe('ab'.repeat(8_192));
  expect(error_class).toBe('http_4xx');
});

test('an answer longer than 1 MiB is not read to its end, and is a failure even with 200', async () => {
  let written = 0;
  receiver.answer = () => (response) => {
    response.writeHead(200);
    const chunk = Buffer.alloc(64 * 1024, 'x');
    const more = (): void => {
      while (!response.destroyed && written < 512 * chunk.length) {
        written += chunk.length;
        if (!response.write(chunk)) return void response.once('drain', more);
      }
    };
    more();
  };
  expect(await attemptAt(`${receiver.url}/endless`)).toMatchObject({ error_class: 'response_too_large', response_status: 200, response_body: 'x'.repeat(16_384) });
  expect(written).toBeLessThan(512 * 64 * 1024);
});

test('an answer of binary rubbish is kept as text that Postgres can hold', async () => {
  receiver.answer = () => (response) => void response.writeHead(500, { 'x-odd': 'caf\u00e9' }).end(Buffer.from([0x61, 0x00, 0xff, 0xfe, 0x62]));
  expect(await attemptAt(`${receiver.url}/binary`)).toMatchObject({ response_status: 500, response_body: 'a\uFFFD\uFFFD\uFFFDb' });
});

test('a good answer with a body that markup could hide in is answered as JSON text, unrendered', async () => {
  receiver.answer = () => ({ status: 500, body: '<script>alert(1)</script>' });
  const type = 'markup';
  await givenWebhook(house, `${receiver.url}/markup`, { events: [type], retry_policy: { max_retries: 0 } });
  const { delivery_id } = await deliveryOf(house, await givenEvent(house, type), 'dead');
  const answer = await house.api.get(`/v1/deliveries/${delivery_id}`).expect('content-type', /^application\/json/).expect('x-content-type-options', 'nosniff');
  expect(answer.body.attempts[0].response_body).toBe('<script>alert(1)</script>');
});

test('an attempt that breaks on our side is on record as that, is retried, and nothing stands still', async () => {
  const { webhook_id } = await givenWebhook(house, `${receiver.url}/broken`, { events: ['broken'], retry_policy: { ...QUICK, max_retries: 20 } });
  // No way leads there over HTTP: a webhook always has a secret that signs.
  const expire = (when: string) => house.sql(`WITH w AS (UPDATE webhooks SET version = version + 1 WHERE webhook_id = $1) UPDATE webhook_secrets SET expires_at = ${when} WHERE webhook_id = $1`, [webhook_id]);
  await expire("now() - interval '1 hour'");
  const eventId = await givenEvent(house, 'broken');
  await deliveryOf(house, eventId, 'retrying');
  await expire('NULL');
  const { attempts } = await deliveryOf(house, eventId, 'succeeded');
  expect(attempts[0]).toMatchObject({ error_class: 'local', error: expect.stringContaining('its log says why') });
  expect((await house.api.get(`/v1/webhooks/${webhook_id}`).expect(200)).body.circuit.state).toBe('closed');
});
