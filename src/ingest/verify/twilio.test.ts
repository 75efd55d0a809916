import { createHash, createHmac } from 'node:crypto';
import { expect, test } from 'vitest';
import { verifyTwilio } from './twilio.js';

const FORM = 'application/x-www-form-urlencoded';
const sign = (signed: string): string => createHmac('sha1', 'token').update(signed).digest('base64');
const judge = (url: string, body: string, signature: string, type = FORM) =>
  verifyTwilio({ body: Buffer.from(body), url, headers: { 'content-type': type, 'x-twilio-signature': signature } }, { secrets: ['token'], toleranceSeconds: 300, now: 0, options: {} })?.reason;

test.each([
  ['as it stands', 'https://a.example/in', 'https://a.example/in'],
  ['with the port of https', 'https://a.example/in?x=1', 'https://a.example:443/in?x=1'],
  ['with the port of http', 'http://a.example/in', 'http://a.example:80/in'],
  ['without the port', 'https://a.example:8443/in', 'https://a.example/in'],
  ['with its port', 'https://a.example:8443/in', 'https://a.example:8443/in'],
  ['with a user', 'https://ann:p%40ss@a.example/in', 'https://ann:p%40ss@a.example:443/in'],
  ['with a query encoded anew', "https://a.example/in?q=it's~(1)&r=a b", 'https://a.example/in?q=it\'s~(1)&r=a%20b'],
  ['with a plus that is a space', 'https://a.example/in?q=a+b', 'https://a.example/in?q=a%20b'],
  ['with both', 'https://a.example/in?q=a+b', 'https://a.example:443/in?q=a%20b'],
])('the URL may be signed %s', (_, url, signed) => {
  expect(judge(url, '', sign(signed))).toBeUndefined();
  expect(judge(`${url}/`, '', sign(signed))).toBe('mismatch');
});

test('fields are sorted by name, and one given several times is a sorted set', () => {
  const url = 'https://a.example/in';
  expect(judge(url, 'b=2&a=1&B=3&a=0&a=1&c=', sign(`${url}B3a0a1b2c`))).toBeUndefined();
  expect(judge(url, 'To=%2B1%20800+555&Body=%C3%A9%F0%9F%8E%89', sign(`${url}Bodyé🎉To+1 800 555`))).toBeUndefined();
  expect(judge(url, '__proto__=1&constructor=2', sign(`${url}__proto__1constructor2`), `${FORM}; charset=UTF-8`)).toBeUndefined();
  expect(judge(url, 'a=1', sign(`${url}a2`))).toBe('mismatch');
  expect(judge(url, 'a=1&'.repeat(1_001), sign(url))).toBe('malformed');
});

test('a form is not read when it is larger than any of Twilio, a body with its hash in the URL may be', () => {
  const url = 'https://a.example/in';
  const largest = `a=${'x'.repeat(1024 * 1024 - 2)}`;
  expect(judge(url, largest, sign(`${url}a${largest.slice(2)}`))).toBeUndefined();
  expect(judge(url, `${largest}x`, sign(`${url}a${largest.slice(2)}x`))).toBe('malformed');
  const hashed = `${url}?bodySHA256=${createHash('sha256').update(`${largest}x`).digest('hex')}`;
  expect(judge(hashed, `${largest}x`, sign(hashed), 'application/octet-stream')).toBeUndefined();
});

test('a body that is no form is believed by its hash in the URL alone', () => {
  const hash = createHash('sha256').update('{"a":1}').digest('hex');
  const url = `https://a.example/in?bodySHA256=${hash}`;
  expect(judge(url, '{"a":1}', sign(url), 'application/json')).toBeUndefined();
  expect(judge(url, '{"a":2}', sign(url), 'application/json')).toBe('mismatch');
  // A signature of the bare URL says nothing of a body beside it.
  expect(judge('https://a.example/in', '{"a":1}', sign('https://a.example/in'), 'application/json')).toBe('missing');
  expect(judge('https://a.example/in', 'a=1', sign('https://a.example/in'), 'text/plain')).toBe('missing');
  expect(judge(url, 'a=1', sign(`${url}a1`))).toBe('mismatch');
});

test.each(['', '/in', 'not a url', 'https://', 'https://a:b:c/'])('a URL such as %j is refused, not thrown at', (url) => {
  expect(judge(url, '', 'x')).toBe('malformed');
});

const fields = (text: string): string => JSON.stringify([...new URLSearchParams(text)].sort());

test('one bit of a form that is another, and it is refused, unless it spells the same fields: those are what Twilio signs', () => {
  const url = 'https://a.example/in';
  const body = 'CallSid=CA12&From=%2B14158675309&Digits=1';
  const signature = sign(`${url}CallSidCA12Digits1From+14158675309`);
  expect(judge(url, body, signature)).toBeUndefined();
  let same = 0;
  for (let at = 0; at < body.length * 8; at++) {
    const flipped = Buffer.from(body);
    flipped[at >> 3]! ^= 1 << (at & 7);
    const seen = verifyTwilio({ body: flipped, url, headers: { 'content-type': FORM, 'x-twilio-signature': signature } }, { secrets: ['token'], toleranceSeconds: 300, now: 0, options: {} })?.reason;
    if (fields(flipped.toString()) === fields(body)) same++;
    expect(seen, flipped.toString()).toBe(fields(flipped.toString()) === fields(body) ? undefined : 'mismatch');
  }
  // `%2b` for `%2B`.
  expect(same).toBe(1);
});
