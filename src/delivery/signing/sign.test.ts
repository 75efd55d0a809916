import { createHmac } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { expect, test } from 'vitest';
import { keyBytes, makeSecret, signatureHeaders } from './sign.js';

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
