import { createHmac, createPrivateKey, createPublicKey, verify } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { expect, test } from 'vitest';
import { findSecretFault, keyAt, keyBytes, makeSecret, publicKeyHeaders, signatureHeaders } from './sign.js';

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const BODY = Buffer.from('{"test": 2432232314}');

test('the vector that the Standard Webhooks libraries publish comes out', () => {
  expect(signatureHeaders('msg_p5jXN8AQM9LWM0D4loKWxJek', 1_614_265_330, BODY, [keyBytes(SECRET)])).toEqual({
    'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    'webhook-timestamp': '1614265330',
    'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    'x-webhook-signature': `sha256=${createHmac('sha256', Buffer.from(SECRET.slice(6), 'base64')).update(BODY).digest('hex')}`,
  });
});

test('with several keys there is a signature of each, newest first, and the GitHub style one is of the newest', () => {
  const [newer, older] = [keyBytes(makeSecret()), keyBytes(makeSecret())];
  const one = (key: Buffer) => signatureHeaders('m', 1, BODY, [key]);
  const both = signatureHeaders('m', 1, BODY, [newer, older]);
  expect(both['webhook-signature']).toBe(`${one(newer)['webhook-signature']} ${one(older)['webhook-signature']}`);
  expect(both['x-webhook-signature']).toBe(one(newer)['x-webhook-signature']);
});

test('the signature covers id, time and body: changing any of them changes it', () => {
  const key = keyBytes(SECRET);
  const of = (id: string, at: number, body: Buffer) => signatureHeaders(id, at, body, [key])['webhook-signature'];
  expect(new Set([of('a', 1, BODY), of('b', 1, BODY), of('a', 2, BODY), of('a', 1, Buffer.from('{"test": 2432232315}'))]).size).toBe(4);
});

test('bytes are signed as they are, text or not', () => {
  const body = Buffer.from([0xff, 0x00, 0xc3, 0x28]);
  const expected = createHmac('sha256', keyBytes(SECRET)).update(Buffer.concat([Buffer.from('m.1.'), body])).digest('base64');
  expect(signatureHeaders('m', 1, body, [keyBytes(SECRET)])['webhook-signature']).toBe(`v1,${expected}`);
});

test('a made secret holds 32 bytes and never repeats', () => {
  const secrets = Array.from({ length: 100 }, makeSecret);
  expect(new Set(secrets).size).toBe(100);
  for (const secret of secrets) expect(keyBytes(secret)).toHaveLength(32);
});

test.each(['eight ch', 'correct horse battery staple', 'whsec_', 'whsec_not base64!', 'whsec_short', 'x'.repeat(128)])('a plain secret is its own key: %s', (secret) => {
  expect(keyBytes(secret).toString()).toBe(secret);
});

test('what is signed with a plain secret verifies with the public library, told that it is raw', () => {
  const secret = 'my own secret';
  const now = Math.floor(Date.now() / 1000);
  expect(new Webhook(secret, { format: 'raw' }).verify(BODY, signatureHeaders('m', now, BODY, [keyBytes(secret)]))).toEqual({ test: 2_432_232_314 });
});

test.each(['whsec_', 'whsec_short', 'whsec_not base64!', 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS', 'whsec_MfKQ9r8='])('a secret that says whsec_ must hold enough base64: %s', (secret) => {
  expect(findSecretFault(secret)).toEqual(expect.any(String));
});

test.each(['plain secret', makeSecret(), SECRET])('a secret that will do: %s', (secret) => {
  expect(findSecretFault(secret)).toBeUndefined();
});

/** Test 1 of RFC 8032, section 7.1. */
const RFC_KEY = createPrivateKey({ key: { kty: 'OKP', crv: 'Ed25519', d: Buffer.from('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60', 'hex').toString('base64url'), x: Buffer.from('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a', 'hex').toString('base64url') }, format: 'jwk' });

test('v1a is the ed25519 signature over id, time and body as bytes, and says which key made it', () => {
  const body = Buffer.from([0xff, 0x00, 0xc3, 0x28]);
  const headers = publicKeyHeaders('m', 7, body, { keyId: 'k', key: RFC_KEY, activateAt: 0 });
  expect(Object.keys(headers)).toEqual(['webhook-id', 'webhook-timestamp', 'webhook-signature', 'webhook-key-id']);
  expect(headers).toMatchObject({ 'webhook-id': 'm', 'webhook-timestamp': '7', 'webhook-key-id': 'k', 'webhook-signature': expect.stringMatching(/^v1a,[A-Za-z0-9+/]{86}==$/) });
  const signature = Buffer.from(headers['webhook-signature']!.slice(4), 'base64');
  expect(verify(null, Buffer.concat([Buffer.from('m.7.'), body]), createPublicKey(RFC_KEY), signature)).toBe(true);
  expect(verify(null, Buffer.concat([Buffer.from('m.8.'), body]), createPublicKey(RFC_KEY), signature)).toBe(false);
});

test('beside v1, v1a comes last and the rest is as it was; the public library passes over it', () => {
  const now = Math.floor(Date.now() / 1000);
  const v1 = signatureHeaders('m', now, BODY, [keyBytes(SECRET)]);
  const both = publicKeyHeaders('m', now, BODY, { keyId: 'k', key: RFC_KEY, activateAt: 0 }, v1);
  expect(both).toEqual({ ...v1, 'webhook-signature': expect.stringMatching(/^v1,\S+ v1a,\S+$/), 'webhook-key-id': 'k' });
  expect(new Webhook(SECRET).verify(BODY, both)).toEqual({ test: 2_432_232_314 });
});

test.each([[5, 'a'], [10, 'a'], [19, 'a'], [20, 'b'], [99, 'b'], [100, 'c']])('at %i the key %s signs: the newest that is active, or the oldest while none is', (at, keyId) => {
  const keys = [['c', 100], ['b', 20], ['a', 10]].map(([id, activateAt]) => ({ keyId: id as string, key: RFC_KEY, activateAt: activateAt as number }));
  expect(keyAt(keys, at).keyId).toBe(keyId);
});
