import { createHmac } from 'node:crypto';
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { eventually } from '../support/eventually.js';
import { givenTenant, givenWebhook } from '../support/given.js';
import { useHouse } from '../support/house.js';
import { bodyOf, givenSource, push, SECRET, signature } from '../support/provider.js';
import { useReceiver } from '../support/receiver.js';

const house = useHouse({ MAX_BODY_BYTES: '200000' });
const receiver = useReceiver();
const event = async (id: string) => (await house.api.get(`/v1/events/${id}`).expect(200)).body;

test('a signed request becomes an event of its source, with the provider’s id, type and bytes, and is delivered', async () => {
  const source = await givenSource(house);
  await givenWebhook(house, `${receiver.url}/pushes`, { events: ['push'] });
  const body = '{"ref":"refs/heads/main",  "after":"6113728f27ae82c7b1a177c8d03f9e96e0adf246","big":12345678901234567890, "repository":{"full_name":"o/r"}}\n';
  const { body: answer } = await push(house, source, body, { id: 'd-1' }).set('user-agent', 'GitHub-Hookshot/1').expect(202);
  expect(answer).toEqual({ event_id: expect.any(String), duplicate: false });
  expect(await event(answer.event_id)).toMatchObject({
    event_type: 'push', source_id: source.source_id, data: { ref: 'refs/heads/main' },
    metadata: { provider: 'github', provider_event_id: 'd-1', subject: 'o/r', correlation_ids: ['6113728f27ae82c7b1a177c8d03f9e96e0adf246'], headers: { 'content-type': 'application/json', 'user-agent': 'GitHub-Hookshot/1', 'x-github-event': 'push' } },
  });
  const [delivered] = await receiver.received(1, '/pushes');
  expect(delivered!.body.toString()).toContain(`"data":${body},"metadata"`);
  expect((await house.api.get(`/v1/events?source_id=${source.source_id}&metadata.provider_event_id=d-1`).expect(200)).body.data).toHaveLength(1);
  const raw = await bodyOf(house, `/v1/events/${answer.event_id}/body`);
  expect(raw.bytes.toString()).toBe(body);
  expect(raw.headers).toMatchObject({ 'content-type': 'application/json', 'x-content-type-options': 'nosniff', 'content-disposition': expect.stringContaining('attachment') });
});

test('no signature, cookie or credential is stored with an event', async () => {
  const source = await givenSource(house);
  const { body: { event_id } } = await push(house, source, '{}').set({ cookie: 'a=PLANTED', authorization: 'Bearer PLANTED', 'x-gitlab-token': 'PLANTED' }).expect(202);
  const stored = JSON.stringify(await house.sql('SELECT * FROM events WHERE event_id = $1', [event_id]));
  expect(stored).not.toContain('PLANTED');
  expect(stored).not.toContain(signature('{}').slice(7));
});

test.each<[string, string | Buffer, string]>([
  ['nothing at all', '', 'application/json'], ['a byte order mark', '\uFEFF{"a":1}', 'application/json'], ['invalid UTF-8', Buffer.from([0x7b, 0xc3, 0x28, 0xff]), 'application/json'],
  ['10,000 levels', `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`, 'application/json'], ['\\u0000', '{"a":"\\u0000"}', 'application/json'], ['half a surrogate pair', '{"a":"\\ud83d"}', 'application/json'],
  ['1e999', '{"a":1e999}', 'application/json'], ['1e99999', '{"a":1e99999}', 'application/json'], ['__proto__', '{"__proto__":{"a":1}}', 'application/json'], ['a member twice', '{"a":1,"a":2}', 'application/json'],
  ['a form', 'a=1&b=%00&c', 'application/x-www-form-urlencoded'], ['XML', '<?xml version="1.0"?><a/>', 'application/xml; charset=utf-8'], ['bytes', Buffer.from([0, 255, 1, 254]), 'image/png'],
  ['an array', '[1, 2]', 'application/json'], ['half a JSON', '{"a":', 'application/json'], ['a garbled type', '{}', 'nonsense;;='], ['an empty type', '{}', ''], ['HTML', '<script>alert(1)</script>', 'text/html'],
])('%s is kept byte for byte, and never sinks what arrives with it', async (_name, body, type) => {
  const source = await givenSource(house);
  const [poison, beside] = await Promise.all([push(house, source, body, { type }), push(house, source, '{"beside":true}')]);
  expect([poison.status, beside.status], JSON.stringify(poison.body)).toEqual([202, 202]);
  const stored = await event(poison.body.event_id);
  expect(stored.data).toBeTypeOf('object');
  const { bytes, headers } = await bodyOf(house, `/v1/events/${poison.body.event_id}/body`);
  expect(bytes).toEqual(Buffer.from(body as string));
  expect(headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'content-disposition': expect.stringContaining('attachment') });
  expect((await event(beside.body.event_id)).data).toEqual({ beside: true });
});

test('the body of an event that was published is its data', async () => {
  await house.api.post('/v1/events').set('content-type', 'application/json').send('{"event_id":"published","event_type":"a","data": {"b": 1.10}}').expect(202);
  expect((await bodyOf(house, '/v1/events/published/body')).bytes.toString()).toBe('{"b": 1.10}');
  await house.api.get('/v1/events/unknown/body').expect(404);
});

/** An exchange over a bare socket. */
async function raw(text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(Number(new URL(house.url).port), '127.0.0.1', () => socket.write(text));
    socket.on('data', (chunk) => {
      answer += chunk;
      socket.end();
    });
    socket.on('close', () => resolve(answer));
    socket.on('error', reject);
  });
}
const head = (path: string, ...headers: string[]): string => `POST ${path} HTTP/1.1\r\nhost: x\r\nx-github-event: push\r\n${headers.join('\r\n')}\r\n\r\n`;

test('a request without a type, or without a body, is taken as it is', async () => {
  const { ingest_path } = await givenSource(house);
  expect(await raw(`${head(ingest_path, 'content-length: 2', `x-hub-signature-256: ${signature('{}')}`)}{}`)).toMatch(/^HTTP\/1.1 202/);
  expect(await raw(head(ingest_path, `x-hub-signature-256: ${signature('')}`))).toMatch(/^HTTP\/1.1 202/);
  expect(await raw(`${head(ingest_path, 'transfer-encoding: chunked', `x-hub-signature-256: ${signature('{}')}`)}2\r\n{}\r\n0\r\n\r\n`)).toMatch(/^HTTP\/1.1 202/);
});

test('a body that is shorter than its content-length says is not verified, and the rest is no request of its own', async () => {
  const { ingest_path } = await givenSource(house);
  const answer = await raw(`${head(ingest_path, 'content-length: 2', `x-hub-signature-256: ${signature('{"a":1}')}`)}{"a":1}`);
  expect(answer).toMatch(/^HTTP\/1.1 4\d\d/);
  expect(answer.match(/HTTP\/1.1 2\d\d/)).toBeNull();
});

test('a body that is encoded is refused, and so is one that is too large', async () => {
  const source = await givenSource(house);
  expect((await push(house, source, '{}').set('content-encoding', 'gzip').expect(415)).body.code).toBe('unsupported_media_type');
  await push(house, source, '{}').set('content-encoding', 'identity').expect(202);
  expect((await push(house, source, 'x'.repeat(200_001)).expect(413)).body.code).toBe('body_too_large');
});

test('bytes are for sources only: other routes go on refusing what is not JSON', async () => {
  await house.api.post('/v1/events').set('content-type', 'application/octet-stream').send(Buffer.from('{"event_type":"a","data":{}}')).expect(415);
});

test.each(['', 'x', 'A'.repeat(43), 'A'.repeat(44), '%00', '..%2f'])('an unknown path answers 404: /in/%s', async (token) => {
  await house.as().post(`/in/${token}`).send({}).expect(404).expect('content-type', /^application\/problem\+json/);
});

test('what is signed wrongly, or not at all, is 401 and leaves no event', async () => {
  const source = await givenSource(house);
  for (const request of [push(house, source, '{}', { secret: 'wrong' }), push(house, source, '{}').set('x-hub-signature-256', ''), push(house, source, '{}').set('x-hub-signature-256', signature('{ }'))]) {
    const { body, text } = await request.expect(401).expect('content-type', /^application\/problem\+json/);
    expect(body.code).toBe('unverified');
    expect(text).not.toContain(SECRET);
  }
  expect((await house.api.get(`/v1/events?source_id=${source.source_id}`).expect(200)).body.data).toEqual([]);
});

test('the path needs no key, and a key is no substitute for a signature', async () => {
  const source = await givenSource(house);
  await house.api.post(source.ingest_path).send({}).expect(401);
});

test('Slack gets its challenge back and nothing is stored; a form of Slack’s is, and its answer is empty', async () => {
  const source = await givenSource(house, { provider: 'slack', secrets: ['8f742231b10e8888abcd99yyyzzz85a5'] });
  const slack = (body: string, type: string) => {
    const at = Math.floor(house.clock.now() / 1000);
    return house.as().post(source.ingest_path).set({ 'content-type': type, 'x-slack-request-timestamp': String(at), 'x-slack-signature': `v0=${createHmac('sha256', '8f742231b10e8888abcd99yyyzzz85a5').update(`v0:${at}:${body}`).digest('hex')}` }).send(body);
  };
  const challenge = await slack('{"type":"url_verification","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"}', 'application/json').expect(200).expect('content-type', /^text\/plain/);
  expect(challenge.text).toBe('3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P');
  expect((await slack('command=%2Fhi&text=a%20b&trigger_id=1.2', 'application/x-www-form-urlencoded').expect(200)).text).toBe('');
  const { data } = (await house.api.get(`/v1/events?source_id=${source.source_id}`).expect(200)).body;
  expect(data).toMatchObject([{ event_type: 'slash_command', data: { command: '/hi', text: 'a b' } }]);
});

test('a change of a source is seen by other processes within a second or so', async () => {
  const source = await givenSource(house);
  await push(house, source, '{}').expect(202);
  await house.sql("UPDATE sources SET is_active = false WHERE source_id = $1", [source.source_id]);
  await eventually('the change to be seen', async () => (await push(house, source, '{}')).status === 404, 3_000);
});

test('another tenant sees neither the source nor what came through it', async () => {
  const source = await givenSource(house);
  const { body: { event_id } } = await push(house, source, '{}').expect(202);
  const other = house.as(await givenTenant(house));
  for (const path of ['', '/conflicts', '/quarantine']) await other.get(`/v1/sources/${source.source_id}${path}`).expect(404);
  await other.delete(`/v1/sources/${source.source_id}`).expect(404);
  await other.get(`/v1/events/${event_id}/body`).expect(404);
  expect((await other.get('/v1/sources').expect(200)).body.data).toEqual([]);
});
