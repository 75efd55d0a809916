import { connect, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { cpuMs } from '../support/cpu.js';
import { eventually } from '../support/eventually.js';
import { ADMIN_KEY, useHouse } from '../support/house.js';

const house = useHouse({ HEADERS_TIMEOUT_MS: '1000', REQUEST_TIMEOUT_MS: '2000', MAX_BODY_BYTES: '100000', MAX_CONNECTIONS: '40' });

const sockets: { socket: Socket; dripping?: NodeJS.Timeout }[] = [];
afterEach(() => {
  for (const { socket, dripping } of sockets.splice(0)) {
    clearInterval(dripping);
    socket.destroy();
  }
});

interface Conversation { socket: Socket; heard: string; closedAfterMs?: number }

/** Opens a connection and says `first`, then `drip` every 100 ms for as long as it is listened to. */
function converse(first: string, drip?: string): Conversation {
  const { hostname, port } = new URL(house.url);
  const started = performance.now();
  const socket = connect(Number(port), hostname);
  const conversation: Conversation = { socket, heard: '' };
  socket.on('error', () => {});
  socket.on('data', (chunk) => (conversation.heard += chunk));
  socket.on('close', () => (conversation.closedAfterMs = performance.now() - started));
  socket.write(first);
  sockets.push({ socket, ...(drip !== undefined && { dripping: setInterval(() => socket.writable && socket.write(drip), 100) }) });
  return conversation;
}

const closed = (conversation: Conversation): Promise<Conversation> => eventually('the connection to be closed', () => conversation.closedAfterMs !== undefined && conversation, 10_000);

/** The last answer of a conversation: its status, and the problem in it. */
function answerOf({ heard }: Conversation): { status: number; type: string | undefined; body: Record<string, unknown> } {
  const last = heard.slice(heard.lastIndexOf('HTTP/1.1'));
  const [head, body] = last.split('\r\n\r\n');
  return { status: Number(/^HTTP\/1\.1 (\d+)/.exec(last)?.[1]), type: /content-type: ([^\r;]+)/i.exec(head!)?.[1], body: body ? JSON.parse(/\{.*\}/s.exec(body)![0]) as Record<string, unknown> : {} };
}

async function expectProblem(conversation: Conversation, status: number, code: string): Promise<void> {
  const { type, ...answer } = answerOf(await closed(conversation));
  expect({ type, ...answer }).toMatchObject({ status, type: 'application/problem+json', body: { code, status, type: `/problems/${code}`, title: expect.any(String), detail: expect.any(String) } });
}

const EVENT = '{"event_type":"limits","data":{}}';
const HEAD = `POST /v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${ADMIN_KEY}\r\ncontent-type: application/json\r\n`;
const publish = () => house.api.post('/v1/events').send({ event_type: 'limits', data: {} });

test.each<[what: string, first: string, drip: string | undefined, withinMs: number]>([
  ['says nothing at all', '', undefined, 1_000],
  ['says half a request line', 'POST /v1/ev', undefined, 1_000],
  ['drips its headers', 'GET /livez HTTP/1.1\r\nhost: x\r\n', 'x-a: b\r\n', 1_000],
  ['drips its body', `${HEAD}content-length: 5000\r\n\r\n{"event_type":"`, 'x', 2_000],
  ['stops in the middle of its body', `${HEAD}content-length: 5000\r\n\r\n{`, undefined, 2_000],
  ['sends chunks without end', `${HEAD}transfer-encoding: chunked\r\n\r\n1\r\n{\r\n`, '1\r\n \r\n', 2_000],
])('who %s is told 408 and shown out, while others are served', async (_, first, drip, withinMs) => {
  const slow = Array.from({ length: 20 }, () => converse(first, drip));
  await publish().expect(202);
  for (const each of slow) {
    await closed(each);
    expect(each.closedAfterMs).toBeGreaterThan(withinMs - 100);
    // Connections are looked through twice a second.
    expect(each.closedAfterMs).toBeLessThan(withinMs + 2_000);
    if (first) await expectProblem(each, 408, 'request_timeout');
  }
  await publish().expect(202);
});

test.each<[what: string, request: string, status: number, code: string]>([
  ['headers longer than 16 KiB', `${HEAD}x-long: ${'x'.repeat(20_000)}\r\n\r\n`, 431, 'headers_too_large'],
  ['a request line longer than that', `GET /${'x'.repeat(20_000)} HTTP/1.1\r\nhost: x\r\n\r\n`, 431, 'headers_too_large'],
  ['no HTTP', 'hello\r\n\r\n', 400, 'unreadable_request'],
  ['a header without a name', 'GET /livez HTTP/1.1\r\nhost: x\r\n: v\r\n\r\n', 400, 'unreadable_request'],
  ['a folded header', 'GET /livez HTTP/1.1\r\nhost: x\r\nx-a: b\r\n c\r\n\r\n', 400, 'unreadable_request'],
  ['two lengths', `${HEAD}content-length: 5\r\ncontent-length: 6\r\n\r\n${EVENT}`, 400, 'unreadable_request'],
  ['a length that is no number', `${HEAD}content-length: 5x\r\n\r\n${EVENT}`, 400, 'unreadable_request'],
  ['a negative length', `${HEAD}content-length: -5\r\n\r\n${EVENT}`, 400, 'unreadable_request'],
  ['a length and chunks', `${HEAD}content-length: ${EVENT.length}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`, 400, 'unreadable_request'],
  ['chunks and a length', `${HEAD}transfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n`, 400, 'unreadable_request'],
  ['a disguised transfer encoding', `${HEAD}transfer-encoding: xchunked\r\n\r\n0\r\n\r\n`, 400, 'unreadable_request'],
  ['a transfer encoding after chunked', `${HEAD}transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n`, 400, 'unreadable_request'],
  ['a chunk of no length', `${HEAD}transfer-encoding: chunked\r\n\r\nxyz\r\n`, 400, 'unreadable_request'],
])('%s is refused once, and the connection closed', async (_, request, status, code) => {
  const conversation = converse(request);
  await expectProblem(conversation, status, code);
  expect(conversation.heard.match(/HTTP\/1\.1/g)).toHaveLength(1);
});

test('a request without a host is refused', async () => {
  expect((await closed(converse('GET /livez HTTP/1.1\r\n\r\n'))).heard).toMatch(/^HTTP\/1\.1 400 /);
});

test('what follows a body that was longer than it said is no request of its own', async () => {
  const conversation = converse(`${HEAD}content-length: ${EVENT.length}\r\n\r\n${EVENT}${EVENT}`);
  await expectProblem(conversation, 400, 'unreadable_request');
  expect(conversation.heard).toMatch(/^HTTP\/1\.1 202/);
});

test('a body beyond the limit is refused before it is read, whether it says how long it is or not', async () => {
  await eventually('413', () => {
    const said = converse(`${HEAD}content-length: 100000000\r\n\r\n`);
    return eventually('an answer', () => said.heard.includes('\r\n\r\n{') && answerOf(said)).then(({ status, body }) => status === 413 && body.code === 'body_too_large');
  });
  const chunk = `8000\r\n${' '.repeat(0x8000)}\r\n`;
  const unsaid = converse(`${HEAD}transfer-encoding: chunked\r\n\r\n${chunk.repeat(4)}`);
  expect(await eventually('an answer', () => unsaid.heard.includes('\r\n\r\n{') && answerOf(unsaid))).toMatchObject({ status: 413, body: { code: 'body_too_large' } });
});

const withHeaders = (count: number): Conversation => converse(`GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n${Array.from({ length: count - 2 }, (_, n) => `x-${n}: y\r\n`).join('')}\r\n`);

test('more than a hundred headers are refused, a hundred are not', async () => {
  expect(answerOf(await closed(withHeaders(100))).status).toBe(200);
  await expectProblem(withHeaders(101), 431, 'headers_too_large');
  await expectProblem(withHeaders(1_100), 431, 'headers_too_large');
});

test('ten thousand levels are refused, at once', async () => {
  const started = cpuMs();
  for (const body of [`{"event_type":"deep","data":${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}}`, `{"event_type":"deep","data":{"a":${'['.repeat(10_000)}${']'.repeat(10_000)}}}`]) {
    await house.api.post('/v1/events').set('content-type', 'application/json').serialize((raw) => raw as unknown as string).send(body).expect(422);
  }
  expect(cpuMs() - started).toBeLessThan(2_000);
});

test('requests sent ahead are answered one after another', async () => {
  const request = `${HEAD}content-length: ${EVENT.length}\r\n\r\n${EVENT}`;
  const conversation = converse(request.repeat(200));
  await eventually('all to be answered', () => conversation.heard.match(/HTTP\/1\.1 202/g)?.length === 200);
});

test('connections beyond the limit are closed as they come, and there is room again when some leave', async () => {
  const held = Array.from({ length: 45 }, () => converse('GET /livez HTTP/1.1\r\nhost: x\r\n'));
  await eventually('some to be closed at once', () => held.filter(({ closedAfterMs }) => closedAfterMs !== undefined && closedAfterMs < 900).length >= 5);
  for (const { socket } of held) socket.destroy();
  await eventually('there to be room', () => publish().then(({ status }) => status === 202, () => false));
});
