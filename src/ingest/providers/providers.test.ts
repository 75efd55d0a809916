import { generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import { publicKeySignature, type Sender, SENDERS } from '../../../test/support/senders.js';
import { EVENT_TYPE } from '../../events/index.js';
import type { Inbound, Refusal } from '../verify/verify.js';
import type { Provider } from './provider.js';
import { PROVIDERS } from './providers.js';

const NOW = 1_790_000_000_000;
const NAMED = SENDERS.map((sender, index) => [`${sender.provider} ${index}`, sender] as const);
const providerOf = ({ provider }: { provider: string }): Provider => PROVIDERS.get(provider)!;
const verify = (sender: Sender, inbound: Inbound, { secrets = [sender.secret], now = NOW, toleranceSeconds = 300 } = {}): Refusal | undefined =>
  providerOf(sender).verify(inbound, { secrets, now, toleranceSeconds, options: sender.options ?? {} });
const withHeader = (inbound: Inbound, name: string, value: string): Inbound => ({ ...inbound, headers: { ...inbound.headers, [name]: value } });
const randomBytes = (seed: number, length: number): Buffer => Buffer.from(Array.from({ length }, (_, at) => Math.imul(seed + 1, 2_654_435_761 + at * 40_503) >>> 11 & 0xff));

/** Every text that differs from this one in one bit. */
function* flipsOf(text: string): Generator<string> {
  for (let at = 0; at < text.length; at++) {
    for (let bit = 0; bit < 8; bit++) yield text.slice(0, at) + String.fromCharCode(text.charCodeAt(at) ^ (1 << bit)) + text.slice(at + 1);
  }
}

test('there is a provider for each name of the contract, all of whose options and secrets pass their own rules', () => {
  expect([...PROVIDERS.keys()].sort()).toEqual(['basic', 'bearer', 'dwolla', 'eventbridge', 'github', 'hmac', 'minio', 'none', 's3', 'shopify', 'slack', 'standard_webhooks', 'stripe', 'svix', 'twilio']);
  for (const sender of SENDERS) {
    const { findOptionFaults, findSecretFault, needsSecret } = providerOf(sender);
    expect(findOptionFaults?.(sender.options ?? {}) ?? [], sender.provider).toEqual([]);
    expect(findSecretFault?.(sender.secret), sender.provider).toBeUndefined();
    expect(needsSecret).toBe(true);
  }
  expect(new Set(SENDERS.map(({ provider }) => provider)).size).toBe(PROVIDERS.size - 1);
});

test.each(NAMED)('%s: whatever is sent is believed with any live secret, and without one it is not', (_, sender) => {
  for (let seed = 0; seed < 50; seed++) {
    const inbound = sender.request(randomBytes(seed, seed * 7), sender.secret, NOW);
    expect(verify(sender, inbound)).toBeUndefined();
    expect(verify(sender, inbound, { secrets: ['another:one', sender.secret, 'old:one'] })).toBeUndefined();
    expect(verify(sender, inbound, { secrets: ['another:one', 'old:one'] })).toMatchObject({ reason: 'mismatch' });
    expect(verify(sender, inbound, { secrets: [] })).toMatchObject({ reason: 'mismatch' });
  }
});

test.each(NAMED)('%s: one bit of the secret, the proof or the body that is another, and it is refused', (_, sender) => {
  const body = Buffer.from('{"id":"é\u0001","n":[1,2]}');
  const genuine = sender.request(body, sender.secret, NOW);
  expect(verify(sender, genuine)).toBeUndefined();
  for (const flipped of flipsOf(sender.secret)) expect(verify(sender, genuine, { secrets: [flipped] }), flipped).toBeDefined();
  for (const header of [...sender.proof, ...(sender.signedTime ? [sender.signedTime] : [])]) {
    for (const flipped of flipsOf(genuine.headers[header]!)) expect(verify(sender, withHeader(genuine, header, flipped), { toleranceSeconds: 0 }), `${header}: ${flipped}`).toBeDefined();
  }
  if (!sender.signsBody) return;
  for (let at = 0; at < body.length * 8; at++) {
    const flipped = Buffer.from(body);
    flipped[at >> 3]! ^= 1 << (at & 7);
    expect(verify(sender, { ...genuine, body: flipped }), `bit ${at}`).toMatchObject({ reason: 'mismatch' });
  }
  expect(verify(sender, { ...genuine, body: body.subarray(1) })).toBeDefined();
  expect(verify(sender, { ...genuine, body: Buffer.concat([body, Buffer.from([0])]) })).toBeDefined();
});

test.each(NAMED.filter(([, { signedTime }]) => signedTime))('%s: the signed time may be off by the tolerance, either way, and by no millisecond more', (_, sender) => {
  const signed = sender.request(Buffer.from('{}'), sender.secret, NOW);
  for (const now of [NOW, NOW - 300_000, NOW + 300_000]) expect(verify(sender, signed, { now })).toBeUndefined();
  for (const now of [NOW - 300_001, NOW + 300_001, 0, NOW * 2]) {
    expect(verify(sender, signed, { now })).toMatchObject({ reason: 'stale' });
    expect(verify(sender, signed, { now, toleranceSeconds: 0 })).toBeUndefined();
  }
  // A stranger learns nothing about clocks.
  expect(verify(sender, sender.request(Buffer.from('{}'), 'another', NOW), { now: 0 })).toMatchObject({ reason: 'mismatch' });
});

const HOSTILE = [
  '', ' ', ',', '=', 't=', 'v1,', 'v1a,', 'v0=', 'sha256=', 'Basic', 'Basic ', 'Bearer', 'Bearer ', '__proto__', 'constructor', 'null', '0', '-1', '1e309', 'NaN', '9'.repeat(400), 'é🎉\ud800', '\0', '%', '%zz', 't=1,t=2,v1=a', 't=1790000000',
  't=1790000000,v1=', 'x'.repeat(100_000), 'v1,a '.repeat(20_000), 't=1790000000' + ',v1=a'.repeat(20_000), 'v1a,AAAA '.repeat(12), 'a, b',
];

test.each(NAMED)('%s: headers that make no sense are refused, never thrown at', (_, sender) => {
  const genuine = sender.request(Buffer.from('{}'), sender.secret, NOW);
  const names = Object.keys(genuine.headers).filter((name) => !['content-type', 'x-github-event', 'x-github-delivery'].includes(name));
  for (const name of names) {
    for (const value of HOSTILE) {
      expect(verify(sender, withHeader(genuine, name, value), { toleranceSeconds: 0 }), `${name}: ${value.slice(0, 40)}`).toBeDefined();
    }
    const { [name]: _, ...others } = genuine.headers;
    expect(verify(sender, { ...genuine, headers: others })?.reason).toMatch(/^(missing|mismatch)$/);
    // Sent twice, as the server joins it. The signatures of Standard Webhooks are a list anyway.
    if (!/^(webhook|svix)-signature$/.test(name)) expect(verify(sender, withHeader(genuine, name, `${genuine.headers[name]}, ${genuine.headers[name]}`))).toBeDefined();
  }
  expect(verify(sender, { ...genuine, headers: JSON.parse('{"__proto__":"x","constructor":"y"}') as Record<string, string> })).toMatchObject({ reason: 'missing' });
  expect(verify(sender, { ...genuine, headers: Object.create(null) as Record<string, string> })).toMatchObject({ reason: 'missing' });
});

test.each([['github', 'x-hub-signature', 'sha1=0af3'], ['dwolla', 'x-request-signature', '0af3']])('%s: the SHA-1 that older senders put into %s is not looked at', (provider, header, value) => {
  expect(PROVIDERS.get(provider)!.verify({ body: Buffer.from('{}'), headers: { [header]: value }, url: '' }, { secrets: ['s'], toleranceSeconds: 300, now: NOW, options: {} })).toMatchObject({ reason: 'missing' });
});

test('Stripe: one of several v1 is enough, other schemes are passed over, and more than sixteen are not looked at', () => {
  const sender = SENDERS.find(({ provider }) => provider === 'stripe')!;
  const genuine = sender.request(Buffer.from('{}'), sender.secret, NOW);
  const [time, signature] = genuine.headers['stripe-signature']!.split(',') as [string, string];
  const judge = (header: string) => verify(sender, withHeader(genuine, 'stripe-signature', header));
  expect(judge([time, 'v1=00', signature, 'v0=11', 'v2=22'].join(','))).toBeUndefined();
  expect(judge([`v0=${signature.slice(3)}`, time, signature].join(', '))).toBeUndefined();
  expect(judge([time, `v0=${signature.slice(3)}`].join(','))).toMatchObject({ reason: 'malformed' });
  expect(judge([time, ...Array<string>(15).fill('v1=00'), signature].join(','))).toBeUndefined();
  expect(judge([time, ...Array<string>(16).fill('v1=00'), signature].join(','))).toMatchObject({ reason: 'malformed' });
});

test.each(['standard_webhooks', 'svix'])('%s: several signatures, key pairs, and secrets with and without whsec_', (name) => {
  const sender = SENDERS.find(({ provider }) => provider === name)!;
  const prefix = name === 'svix' ? 'svix' : 'webhook';
  const body = Buffer.from('{"a":1}');
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const x = publicKey.export({ format: 'jwk' }).x!;
  const pair = publicKeySignature(privateKey.export({ type: 'pkcs8', format: 'pem' }) as string, 'msg_p5jXN8AQM9LWM0D4loKWxJek', String(NOW / 1000), body);
  const genuine = sender.request(body, sender.secret, NOW);
  const v1 = genuine.headers[`${prefix}-signature`]!;
  const judge = (signatures: string, ...secrets: string[]) => verify(sender, withHeader(genuine, `${prefix}-signature`, signatures), { secrets })?.reason;

  expect(judge(`v1,AAAA ${v1} v2,x`, sender.secret)).toBeUndefined();
  for (const key of [`whpk_${Buffer.from(x, 'base64url').toString('base64')}`, `whpk_${x}`]) {
    expect(providerOf(sender).findSecretFault!(key)).toBeUndefined();
    expect(judge(pair, key)).toBeUndefined();
    expect(judge(`${v1} v1a,AAAA ${pair}`, 'other', key)).toBeUndefined();
    // What is public must not sign: not as an HMAC's key, in any reading of it.
    for (const forged of [key, key.slice(5)]) expect(judge(sender.request(body, forged, NOW).headers[`${prefix}-signature`]!, key)).toBe('mismatch');
    for (const flipped of flipsOf(pair)) expect(judge(flipped, key), flipped).toBeDefined();
    expect(verify(sender, { ...withHeader(genuine, `${prefix}-signature`, pair), body: Buffer.from('{"a":2}') }, { secrets: [key] })?.reason).toBe('mismatch');
  }
  expect(judge(pair, sender.secret)).toBe('mismatch');
  expect(judge(pair, `whpk_${'A'.repeat(43)}`, 'whpk_', 'whpk_x')).toBe('mismatch');

  const plain = sender.request(body, 'a plain secret', NOW);
  expect(verify(sender, plain, { secrets: ['a plain secret'] })).toBeUndefined();
  // Some senders' secrets are base64 without the prefix.
  expect(verify(sender, genuine, { secrets: [sender.secret.slice(6)] })).toBeUndefined();
});

test.each([
  ['standard_webhooks', 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', undefined], ['standard_webhooks', 'whsec_!', /base64/], ['svix', 'whsec_AAAA', /6 bytes/], ['svix', 'whsk_AAAA', /private/], ['svix', 'whpk_AAAA', /32 bytes/], ['svix', 'plain', undefined],
  ['basic', 'ann:secret', undefined], ['basic', 'ann', /user:password/], ['basic', ':x', /user:password/], ['basic', 'ann:', /user:password/],
  ['bearer', 'a b', undefined], ['bearer', ' a', /white space/], ['minio', 'é', /ASCII/], ['s3', 'a\n', /ASCII/],
])('%s: the secret %j is %s', (name, secret, fault) => {
  const found = PROVIDERS.get(name)!.findSecretFault!(secret);
  if (fault) expect(found).toMatch(fault);
  else expect(found).toBeUndefined();
});

test.each(['s3', 'minio', 'eventbridge'])('%s: a token with its own scheme is compared whole, and user:password may come as Basic', (name) => {
  const judge = (authorization: string, secret: string) => PROVIDERS.get(name)!.verify({ body: Buffer.from('{}'), headers: { authorization }, url: '' }, { secrets: [secret], toleranceSeconds: 300, now: NOW, options: {} })?.reason;
  expect(judge('Custom abc', 'Custom abc')).toBeUndefined();
  expect(judge('bearer  abc', 'abc')).toBeUndefined();
  expect(judge(`Basic ${btoa('ann:x')}`, 'ann:x')).toBeUndefined();
  expect(judge(`Basic ${btoa('ann:y')}`, 'ann:x')).toBe('mismatch');
  expect(judge('Basic', 'ann:x')).toBe('mismatch');
});

const VALUES: unknown[] = [undefined, null, 0, Number.POSITIVE_INFINITY, 'text', '', [], {}, [[]], [null], { id: {} }, { id: [] }, { id: 1e300, type: {}, created: 'x' }, { id: 'a\0b', type: 'é', topic: 7, event: null, Records: {} }, { Records: [null, 1, {}] }, { Type: 'Notification', Message: '{' }, { data: { object: 'x' } }, JSON.parse('{"__proto__":{"id":1},"constructor":{"type":"x"}}')];

test.each([...PROVIDERS])('%s: whatever the body, what is identified can be stored', (_, provider) => {
  for (const json of VALUES) {
    for (const headers of [{}, { 'content-type': 'application/x-www-form-urlencoded' }, { 'webhook-id': 'x'.repeat(9_000), 'svix-id': '\ud800', 'x-github-event': '*', 'x-shopify-event-id': 'a\0', 'content-type': 'application/json' }]) {
      const inbound = { body: Buffer.from(JSON.stringify(json) ?? '%zz=&payload={'), headers: headers as Record<string, string>, url: 'x' };
      for (const event of provider.identify(inbound, json, { id_path: '__proto__.id', type_path: 'constructor.type', correlation_paths: ['id', 'data'] })) {
        expect(event.type).toMatch(EVENT_TYPE);
        for (const text of [event.providerEventId, event.subject, ...event.correlationIds].filter((text) => text !== undefined)) expect(text.length > 0 && text.length <= 255 && text.isWellFormed() && !text.includes('\0'), text).toBe(true);
        expect(event.occurredAt === undefined || Number.isInteger(event.occurredAt)).toBe(true);
        if (event.data !== undefined) expect(typeof JSON.parse(event.data)).toBe('object');
      }
      provider.answer?.(inbound, json);
    }
  }
});
