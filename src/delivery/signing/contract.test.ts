import { createHmac, createSecretKey } from 'node:crypto';
import { expect, test } from 'vitest';
import { compileContract, contractHeaders, findClashes, readContract, type SignatureContract } from './contract.js';
import { keyBytes } from './sign.js';

const read = (given: object): SignatureContract => {
  const contract = readContract(given);
  if (contract === null || Array.isArray(contract)) throw new Error(JSON.stringify(contract));
  return contract;
};
const faultsOf = (given: unknown): Record<string, string> => Object.fromEntries((readContract(given) as { pointer: string; detail: string }[]).map(({ pointer, detail }) => [pointer, detail]));

const MESSAGE = { id: 'msg_p5jXN8AQM9LWM0D4loKWxJek', timestampMs: 1_614_265_330_123, eventType: 'order.paid', deliveryId: 'd-1' };

/** The headers of a contract for a body, by secrets, newest first. */
function headersOf(given: object, body: string | Buffer, secrets: string[], { at = MESSAGE.timestampMs, sent = {}, id = MESSAGE.id, eventType = MESSAGE.eventType } = {}): Record<string, string> {
  const contract = compileContract(read(given));
  const keys = secrets.map((secret) => createSecretKey(contract.keyIsText ? Buffer.from(secret) : keyBytes(secret)));
  return contractHeaders(contract, { ...MESSAGE, id, eventType, timestampMs: at }, Buffer.from(body as string), sent, keys);
}

const STRIPE = { header: 'Stripe-Signature', template: 't={timestamp}[,v1={signature}]', signed: '{timestamp}.{body}', key: 'text' };
const GITHUB = { header: 'X-Hub-Signature-256', template: 'sha256={signature}', key: 'text' };
const SVIX = { header: 'svix-signature', template: '[v1,{signature}]', separator: ' ', signed: '{id}.{timestamp}.{body}', encoding: 'base64', headers: { 'svix-id': '{id}', 'svix-timestamp': '{timestamp}' } };
const BARE = (more: object) => ({ header: 'x', template: '{signature}', key: 'text', ...more });

test('Stripe: a whole header comes out, and the vectors of its SDKs for the HMAC alone', () => {
  const body = '{\n  "id": "evt_test_webhook",\n  "object": "event"\n}';
  expect(headersOf(STRIPE, body, ['whsec_test_secret'])).toEqual({ 'Stripe-Signature': 't=1614265330,v1=af4ead0627a34a8cca29808e8de9ada8e41a92e6237c63cef6eacf51d36cca34' });
  for (const [text, expected] of [['', 'f7f9bd47fb987337b5796fdc1fdb9ba221d0d5396814bfcaf9521f43fd8927fd'], ['{"obj1":"hello","obj2":"world"}', 'bebb1a643997f419b315ddba19e6f5411e1ce7f810ba6d3617ce72823092f363'], ['😀', '837da296d05c4fe31f61d5d7ead035099d9585a5bcde87de952012a78f0b0c43']]) {
    expect(headersOf(BARE({}), text!, ['test_secret'])).toEqual({ x: expected });
  }
});

test.each([["It's a Secret to Everybody", 'Hello, World!', '757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17'], ['mysecret', '{"foo":"bar"}', '4864d2759938a15468b5df9ade20bf161da9b4f737ea61794142f3484236bda3']])('GitHub: the vector for %s comes out', (secret, body, expected) => {
  expect(headersOf(GITHUB, body, [secret])).toEqual({ 'X-Hub-Signature-256': `sha256=${expected}` });
});

test('Svix: the vector of its libraries comes out, with its other headers', () => {
  expect(headersOf(SVIX, '{"test": 2432232314}', ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'])).toEqual({
    'svix-id': MESSAGE.id, 'svix-timestamp': '1614265330', 'svix-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  });
});

test('Hook0: the vectors of its worker and of its SDK come out, for v0 and for v1, which signs headers', () => {
  const at = 1_636_936_200_000;
  const v1 = (names: string) => BARE({
    template: `t={timestamp},h=${names},v1={signature}`, signed: `{timestamp}.${names}.${names.split(' ').map((name) => `{header:${name}}`).join('.')}.{body}`, headers: { 'X-Event-Id': '{id}', 'X-Event-Type': '{event_type}' },
  });
  const sent = { 'x-test': 'val1', 'X-Test2': 'val2' };
  const event = { at, id: '1a01cb48-5142-4d9b-8f90-d20cca61f0ee', eventType: 'service.resource.verb' };
  expect(headersOf(BARE({ template: 't={timestamp},v0={signature}', signed: '{timestamp}.{body}' }), 'hello !', ['secret'], { at }).x).toBe('t=1636936200,v0=1b3d69df55f1e52f05224ba94a5162abeb17ef52cd7f4948c390f810d6a87e98');
  expect(headersOf(v1('x-event-id x-event-type'), 'hello !', ['secret'], event).x).toBe('t=1636936200,h=x-event-id x-event-type,v1=bc521546ba5de381b12f135782d2008b028c3065c191760b12b76850a8fc8f51');
  expect(headersOf(v1('x-test x-test2'), 'hello !', ['secret'], { at, sent }).x).toBe('t=1636936200,h=x-test x-test2,v1=493c35f05443fdb74cb99fd4f00e0e7653c2ab6b24fbc97f4a7bd4d56b31758a');
});

test.each([
  ['Slack', { template: 'v0={signature}', signed: 'v0:{timestamp}:{body}' }, '8f742231b10e8888abcd99yyyzzz85a5', 1_531_420_618_000, 'v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503',
    'token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c'],
  ['Shopify', { encoding: 'base64' }, 'Convoy', 0, '16FUVH58NeMcTIIOICN2UJOcPTTa4TbjCndXymGrtM8=', 'Test Payload Body'],
])('%s: the published vector comes out', (_, contract, secret, at, expected, body) => {
  expect(headersOf(BARE(contract), body, [secret], { at })).toEqual({ x: expected });
});

const hex = (secret: string) => createHmac('sha256', secret).update('1614265330.b').digest('hex');

test('the part in brackets repeats per live secret, newest first; elsewhere the newest signs', () => {
  expect(headersOf(STRIPE, 'b', ['newest', 'older', 'oldest'])['Stripe-Signature']).toBe(`t=1614265330,v1=${hex('newest')},v1=${hex('older')},v1=${hex('oldest')}`);
  expect(headersOf({ ...STRIPE, template: '{signature};[{signature}];{signature}', separator: '|' }, 'b', ['newest', 'older'])['Stripe-Signature']).toBe(`${hex('newest')};${hex('newest')}|${hex('older')};${hex('newest')}`);
  expect(headersOf({ ...STRIPE, template: '{signature}' }, 'b', ['newest', 'older'])['Stripe-Signature']).toBe(hex('newest'));
});

test.each(['sha1', 'sha256', 'sha512'])('%s is what it says, over every field and bytes as they are', (algorithm) => {
  const body = Buffer.from([0xff, 0x00, 0xc3, 0x28, 0xf0, 0x9f, 0x98, 0x80]);
  const signed = Buffer.concat([Buffer.from(`1614265330.1614265330123.${MESSAGE.id}.order.paid.d-1.application/json[x].`), body, Buffer.from('.'), body]);
  const contract = BARE({ algorithm, signed: '{timestamp}.{timestamp_ms}.{id}.{event_type}.{delivery_id}.{header:Content-Type}[x].{body}.{body}' });
  expect(headersOf(contract, body, ['s'], { sent: { 'content-type': 'application/json' } }).x).toBe(createHmac(algorithm, 's').update(signed).digest('hex'));
});

test('a name of ours is spelled as ours, so that it takes its place', () => {
  expect(Object.keys(headersOf({ header: 'X-Webhook-Signature', template: '{signature}', headers: { 'X-WEBHOOK-EVENT': '{event_type}', 'X-Webhook-Timestamp': '{timestamp_ms}' } }, '', ['secret'])).sort()).toEqual(['X-Webhook-Timestamp', 'x-webhook-event', 'x-webhook-signature']);
});

test('nothing is no contract; a short one gets its defaults', () => {
  expect([readContract(undefined), readContract(null)]).toEqual([null, null]);
  expect(read({ header: 'x', template: '{signature}' })).toEqual({ header: 'x', template: '{signature}', signed: '{body}', algorithm: 'sha256', encoding: 'hex', separator: '', key: 'decoded', headers: {} });
});

test.each<[string, unknown, ...string[]]>([
  ['no object', 'stripe', ''], ['an array', [], ''], ['a number', 5, ''], ['nothing in it', {}, '/header', '/template'],
  ['an unknown field', { surprise: 1 }, '/header', '/template', '/surprise'], ['a field to escape', BARE({ 'a/b~c': 1 }), '/a~1b~0c'],
  ...['', 'a b', 'x:y', 'ünï', 5, null, 'Host', 'content-length', 'Content-Type', 'webhook-signature', 'Webhook-Key-Id', 'user-agent', 'x-webhook-', 'x-webhook-a b', 'proxy-x'].map((header): [string, unknown, string] => [`the header ${String(header)}`, BARE({ header }), '/header']),
  ...['', 'sha256=', '{signature', 'signature}', '{signature}}', '{{signature}}', '{}', '{signature}{body}', '{signature}{x}', '{ signature }', '{Signature}', '[{signature}', '{signature}]', '[[{signature}]]', '[{signature}][{signature}]', ']{signature}[', '[]{signature}', '[x]{signature}', '{signature}\n', '{signature}é', 'x'.repeat(513), 5, null, {}].map(
    (template): [string, unknown, string] => [`the template ${JSON.stringify(template)}`, BARE({ template }), '/template']),
  ...['', '{timestamp}', '{body}{', '{body}{signature}', '{body}{header:}', '{body}{header}', '{body}{url}', '{body}\r\n', 'x'.repeat(1025), 5, null].map((signed): [string, unknown, string] => [`signed ${JSON.stringify(signed)}`, BARE({ signed }), '/signed']),
  ['an unknown algorithm', BARE({ algorithm: 'md5' }), '/algorithm'], ['no algorithm', BARE({ algorithm: null }), '/algorithm'], ['an unknown encoding', BARE({ encoding: 'HEX' }), '/encoding'], ['an unknown key', BARE({ key: ['text'] }), '/key'],
  ['a long separator', BARE({ separator: 'x'.repeat(9) }), '/separator'], ['a line break as separator', BARE({ separator: '\n' }), '/separator'], ['no separator', BARE({ separator: null }), '/separator'],
  ['headers that are none', BARE({ headers: [] }), '/headers'], ['too many headers', BARE({ headers: Object.fromEntries(Array.from({ length: 17 }, (_, n) => [`x-${n}`, ''])) }), '/headers'],
  ['headers each wrong in its way', BARE({ headers: { 'a b': '', host: '', 'x-a': '{signature}', 'x-b': '{body}', 'x-c': 5, 'x-d': 'é', 'x-e': '{', 'X-F': '', 'x-f': '', X: '', 'webhook-id': '{id}' } }), '/headers/a b', '/headers/host', '/headers/x-a', '/headers/x-b', '/headers/x-c', '/headers/x-d', '/headers/x-e', '/headers/x-f', '/headers/X', '/headers/webhook-id'],
  ['many things', { header: 'host', template: '[', signed: '{', algorithm: 1, encoding: 1, key: 1, separator: 1 }, '/header', '/template', '/signed', '/algorithm', '/encoding', '/key', '/separator'],
])('%s is refused at its place', (_, given, ...pointers) => {
  expect(Object.keys(faultsOf(given)).sort()).toEqual(pointers.map((pointer) => `/signature${pointer}`).sort());
});

test('what goes with brackets and braces is told apart', () => {
  expect(faultsOf(BARE({ template: '{sig}' }))['/signature/template']).toContain('{sig}, which is not one of {timestamp}');
  expect(faultsOf(BARE({ template: '{signature' }))['/signature/template']).toContain('brace');
  expect(faultsOf(BARE({ template: '[{signature}' }))['/signature/template']).toContain('bracket');
  expect(faultsOf(BARE({ template: 't={timestamp}' }))['/signature/template']).toBe('must hold {signature}');
});

test('a header that is also static, or is signed but not sent, is refused at the field to blame', () => {
  const contract = read(BARE({ header: 'X-Sig', headers: { 'X~Id': '{id}' }, signed: '{header:X-Team}.{header:X~Id}.{header:User-Agent}.{header:x-none}.{body}' }));
  expect(findClashes(contract, { headers: ['x-sig', 'x~id', 'x-team'], secret_headers: [], auth: [] }, ['signature']).map(({ pointer }) => pointer)).toEqual(['/signature/header', '/signature/headers/X~0Id', '/signature/signed']);
  expect(findClashes(contract, { headers: ['x-sig', 'x~id'], secret_headers: [], auth: [] }, ['headers']).map(({ pointer }) => pointer)).toEqual(['/headers/x-sig', '/headers/x~0id', '/headers', '/headers']);
  expect(findClashes(read(STRIPE), { headers: ['x-team'], secret_headers: ['x-key'], auth: ['authorization'] }, ['signature'])).toEqual([]);
});
