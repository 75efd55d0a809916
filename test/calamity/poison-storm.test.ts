import { isUtf8 } from 'node:buffer';
import { connect } from 'node:net';
import { expect, onTestFailed, test, vi } from 'vitest';
import { ADMIN_KEY } from '../support/house.js';
import type { Outcome } from './support/exchange.js';
import type { Notice, Provider } from './support/provider.js';
import type { Published } from './support/publisher.js';
import { randomOf, SEED } from './support/random.js';
import { type Scene, setScene, SOON_MS } from './support/scene.js';

/** All that is not what it should be, at both doors, while healthy traffic goes on between. */

vi.setConfig({ testTimeout: 150_000 });

const text = (value: string): Buffer => Buffer.from(value);
const DEEP = 10_000;

/** JSON that no member of should come through a door unseen. `n` makes each one's bytes its own. */
const POISONS: [name: string, bytes: (n: number) => Buffer, taken: boolean][] = [
  ['\\u0000', (n) => text(`{"n":${n},"a":"\\u0000"}`), false],
  ['\\u0000 in a name', (n) => text(`{"n":${n},"\\u0000":1}`), false],
  ['a high surrogate alone', (n) => text(`{"n":${n},"a":"\\ud83d"}`), false],
  ['a low surrogate alone, in a name', (n) => text(`{"n":${n},"\\udc00x":1}`), false],
  ['surrogates in the wrong order', (n) => text(`{"n":${n},"a":"\\ude00\\ud83d"}`), false],
  ['1e999', (n) => text(`{"n":${n},"a":1e999}`), true],
  ['-1e-999', (n) => text(`{"n":${n},"a":-1e-999}`), true],
  ['1e99999', (n) => text(`{"n":${n},"a":1e99999}`), false],
  ['a thousand digits', (n) => text(`{"n":${n},"a":${'9'.repeat(1_000)}.${'1'.repeat(1_000)}}`), true],
  ['objects in 10,000 levels', (n) => text(`{"n":${n},"a":${'{"a":'.repeat(DEEP)}1${'}'.repeat(DEEP)}}`), false],
  ['arrays in 10,000 levels', (n) => text(`{"n":${n},"a":${'['.repeat(DEEP)}${']'.repeat(DEEP)}}`), false],
  ['10,000 brackets without end', (n) => text(`{"n":${n},"a":${'['.repeat(DEEP)}`), false],
  ['a byte order mark', (n) => text(`\uFEFF{"n":${n}}`), false],
  ['UTF-16', (n) => Buffer.from(`\uFEFF{"n":${n}}`, 'utf16le'), false],
  ['a byte that begins nothing', (n) => Buffer.concat([text(`{"n":${n},"a":"`), Buffer.from([0xff]), text('"}')]), false],
  ['half a character', (n) => Buffer.concat([text(`{"n":${n},"a":"`), Buffer.from([0xe2, 0x98]), text('"}')]), false],
  ['an overlong zero', (n) => Buffer.concat([text(`{"n":${n},"a":"`), Buffer.from([0xc0, 0x80]), text('"}')]), false],
  ['a surrogate in UTF-8', (n) => Buffer.concat([text(`{"n":${n},"a":"`), Buffer.from([0xed, 0xa0, 0x80]), text('"}')]), false],
  ['a zero byte', (n) => text(`{"n":${n},"a":"\0"}`), false],
  ['a name twice', (n) => text(`{"n":${n},"a":1,"a":{"b":2},"a":"\\\\u0000"}`), true],
  ['__proto__', (n) => text(`{"n":${n},"__proto__":{"admin":true}}`), false],
  ['constructor', (n) => text(`{"n":${n},"constructor":{"prototype":{"admin":true}},"toString":1}`), true],
  ['what breaks out of a script', (n) => text(`{"n":${n},"a":"</script>\u2028\u2029'; DROP TABLE events; --"}`), true],
];

let made = 0;

function isJson(bytes: Buffer): boolean {
  try {
    return isUtf8(bytes) && Boolean(JSON.parse(bytes.toString()));
  } catch {
    return false;
  }
}

/** Every poison at both doors, in a batch, as an id and as a type, in some order, each beside something healthy. */
async function storm(scene: Scene, github: Provider, stripe: Provider): Promise<void> {
  const random = randomOf(SEED);
  const { publisher } = scene;
  const publish = (bytes: Buffer, more: Partial<Published> = {}): Published => publisher.make('calamity.poison', { unnamed: true, bytes, refusable: true, ...more });
  const told: { name: string; taken: boolean; sent: Notice | Published; send(): Promise<Outcome> }[] = POISONS.flatMap(([name, make, taken]) => {
    const [data, body, wrapped] = [make(++made), make(++made), make(++made)];
    const event = publish(Buffer.concat([text('{"event_type":"calamity.poison","data":'), data, text(',"metadata":{}}')]), { data: data.toString(), refusable: !taken });
    Object.assign(event, { metadata: '{}' });
    const notice = github.make({ body });
    // An id that stands in what is poisoned, and is there for whoever can read it.
    const inside = stripe.make({ body: Buffer.concat([text(`{"id":"evt_${made}","type":"calamity.poison","data":`), wrapped, text('}')]) });
    inside.providerEventId = isJson(inside.body) ? `evt_${made}` : undefined;
    return [
      { name: `${name}, published`, taken, sent: event, send: () => publisher.send(event) },
      { name: `${name}, from a provider`, taken: true, sent: notice, send: () => github.send(notice) },
      { name: `${name}, around an id`, taken: true, sent: inside, send: () => stripe.send(inside) },
    ];
  });
  for (const [name, bytes] of [['nothing', ''], ['white space', ' \n'], ['null', 'null'], ['a text', '"a"'], ['a number', '1e999'], ['an array', '[{}]'], ['half an object', '{"event_type":"a",']] as const) {
    const event = publish(text(bytes));
    const notice = github.make({ body: text(bytes) });
    told.push({ name: `${name}, published`, taken: false, sent: event, send: () => publisher.send(event) }, { name: `${name}, from a provider`, taken: true, sent: notice, send: () => github.send(notice) });
  }
  for (const member of ['"event_id":"a\\u0000b"', '"event_id":"\\ud800"', '"event_id":""', '"event_id":1e999', '"event_type":"calamity.\\u0000"', '"metadata":{"a":"\\u0000"}', '"metadata":{"\\ud800":1}', '"timestamp":1e999', '"timestamp":"99999-12-31T00:00:00Z"']) {
    const event = publish(text(`{"event_type":"calamity.poison","data":{"n":${++made}},${member}}`), { data: `{"n":${made}}` });
    told.push({ name: member, taken: false, sent: event, send: () => publisher.send(event) });
  }
  const order = told.map((one) => ({ one, at: random() })).sort((a, b) => a.at - b.at).map(({ one }) => one);
  for (let at = 0; at < order.length; at += 4) {
    const some = order.slice(at, at + 4);
    const healthy = [publisher.make('calamity.happened'), publisher.make('calamity.happened', { unnamed: true })];
    const [outcomes] = await Promise.all([Promise.all(some.map(({ send }) => send())), Promise.all([...healthy.map((event) => publisher.send(event)), github.send(github.make()), stripe.send(stripe.make())])]);
    for (const [index, { name, taken }] of some.entries()) expect(outcomes[index]!.kind === 'acknowledged', `${name}: ${JSON.stringify(outcomes[index])}`).toBe(taken);
  }
}

/** Something that is no HTTP as it should be, and how the connection ended: a status, or no word. */
function raw(url: string, request: Buffer, { half = false } = {}): Promise<{ heard: string; ms: number }> {
  const started = performance.now();
  return new Promise((resolve) => {
    let heard = '';
    const socket = connect(Number(new URL(url).port), '127.0.0.1', () => (half ? socket.end(request) : socket.write(request)));
    socket.setTimeout(10_000, () => socket.destroy());
    socket.on('data', (chunk) => (heard += chunk));
    socket.on('error', () => {});
    socket.on('close', () => resolve({ heard, ms: performance.now() - started }));
  });
}

test('a poison storm at both doors: whatever it is, it is stored as it came or refused and stored nowhere, all beside it is stored, and every request ends soon', async (context) => {
  onTestFailed(() => console.error(`CALAMITY_SEED=${SEED} repeats this run`));
  const scene = await setScene(context);
  const server = await scene.start();
  await scene.webhook('/a', ['calamity.happened', 'calamity.poison']);
  const [github, stripe] = [await scene.provider('github'), await scene.provider('stripe')];
  await storm(scene, github, stripe);
  await lengths(scene, github);
  await batches(scene);

  // Once more while Postgres is away: what went into the spool has to come out of it.
  await Promise.all([github, stripe].map((provider) => provider.send(provider.make())));
  const outage = scene.proxy.refuse();
  await storm(scene, github, stripe);
  outage.end();
  await scene.drained();
  expect(server.exitedAt).toBeUndefined();
  expect(await scene.brokenPromises({ endsWithinMs: SOON_MS })).toEqual([]);
});

/** A `content-length` that does not say how long the body is. */
async function lengths(scene: Scene, github: Provider): Promise<void> {
  const { url } = scene.servers[0]!;
  const refused = async (path: string, headers: Record<string, string>, body: Buffer, wrong: string[], half: boolean): Promise<void> => {
    const head = [`POST ${path} HTTP/1.1`, 'host: x', ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`), ...wrong].join('\r\n');
    const { heard, ms } = await raw(url, Buffer.concat([text(`${head}\r\n\r\n`), body]), { half });
    expect(heard, wrong.join()).not.toMatch(/HTTP\/1.1 (2|5)\d\d/);
    expect(ms, wrong.join()).toBeLessThan(SOON_MS);
  };
  for (const [wrong, half] of [
    [['content-length: 10000'], true], [['content-length: 7'], false], [['content-length: -1'], false], [['content-length: 1e3'], false], [['content-length: 0x20'], false],
    [['content-length: 99999999999999999999'], false], [['content-length: 7', 'content-length: 9'], false], [['content-length: 7', 'transfer-encoding: chunked'], false],
  ] as const) {
    const notice = github.make({ refusable: true });
    notice.outcomes.push({ kind: 'answered', status: 400, body: '', ms: 0 });
    const event = scene.publisher.make('calamity.poison', { refusable: true });
    event.outcomes.push({ kind: 'answered', status: 400, body: '', ms: 0 });
    await refused(github.path, github.headers(notice), notice.body, [...wrong], half);
    await refused('/v1/events', { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'application/json' }, text(`{"event_type":"calamity.poison","data":${event.data},"metadata":${event.metadata}}`), [...wrong], half);
    await scene.publisher.insist(scene.publisher.make('calamity.happened'));
  }
}

/** Poison among the events of one batch, as far as it leaves the batch readable. */
async function batches(scene: Scene): Promise<void> {
  const { url } = scene.servers[0]!;
  const members = POISONS.map(([name, make, taken]) => ({ name, taken, data: make(++made) })).filter(({ name, data }) => !/byte|character|UTF|overlong|without end/.test(name) && data.indexOf(0xff) < 0);
  const events = members.flatMap(({ taken, data }) => {
    const poison = scene.publisher.make('calamity.poison', { data: data.toString(), refusable: !taken, unnamed: true });
    return [{ event: poison, taken }, { event: scene.publisher.make('calamity.happened', { unnamed: true }), taken: true }];
  });
  const body = `{"events":[${events.map(({ event }) => `{"event_type":${JSON.stringify(event.eventType)},"data":${event.data},"metadata":${event.metadata}}`).join()}]}`;
  const response = await fetch(`${url}/v1/events`, { method: 'POST', headers: { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'application/json' }, body });
  expect(response.status).toBe(202);
  const { data } = (await response.json()) as { data: ({ event_id: string; duplicate: boolean } | { index: number })[] };
  expect(data.map((answer) => 'event_id' in answer)).toEqual(events.map(({ taken }) => taken));
  for (const [index, { event }] of events.entries()) {
    const answer = data[index]!;
    event.outcomes.push('event_id' in answer ? { kind: 'acknowledged', eventId: answer.event_id, duplicate: answer.duplicate, ms: 0 } : { kind: 'answered', status: 422, body: '', ms: 0 });
    if ('event_id' in answer) event.eventId = answer.event_id;
  }
}
