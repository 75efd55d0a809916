import { expect, test } from 'vitest';
import { findHeaderFaults } from './headers.js';

test.each<Record<string, string>>([{}, { authorization: 'Bearer abc' }, { 'X-Api-Key': 'k' }, { 'x-tenant': '' }, { accept: 'a, b;q=0.5' }, { 'x-tab': 'a\tb' }, { 'x-long': 'v'.repeat(4096) }, { cookie: 'a=b' }])(
  '%.40j may be sent', (headers) => {
    expect(findHeaderFaults(headers)).toEqual([]);
  });

test.each([
  'Host', 'content-length', 'Content-Type', 'transfer-encoding', 'Connection', 'keep-alive', 'Upgrade', 'TE', 'Trailer', 'expect', 'Proxy-Authorization', 'User-Agent', 'webhook-id', 'Webhook-Signature', 'X-Webhook-Signature', 'x-webhook-event',
])('%s is ours or HTTP’s to set', (name) => {
  expect(findHeaderFaults({ [name]: 'x' })).toEqual([{ pointer: `/headers/${name}`, detail: expect.stringContaining('is set by') }]);
});

test.each<[value: unknown, words: RegExp]>([
  ['a\r\nx-evil: 1', /not allowed/], ['a\nb', /not allowed/], ['a\0b', /not allowed/], ['ünï', /ASCII/], ['🎉', /not allowed/], ['a\x7fb', /not allowed/], ['v'.repeat(4097), /at most 4096/],
  [5, /string/], [null, /string/], [['a'], /string/], [{}, /string/], [true, /string/],
])('the value %.20j is refused', (value, words) => {
  expect(findHeaderFaults({ 'x-a': value })).toEqual([{ pointer: '/headers/x-a', detail: expect.stringMatching(words) }]);
});

test.each(['', 'a b', 'a:b', 'a\r\nb', 'ä', 'a\0', '(x)'])('the name %j is refused', (name) => {
  expect(findHeaderFaults({ [name]: 'x' })).toEqual([{ pointer: `/headers/${name}`, detail: 'is not a valid header name' }]);
});

test('a name given twice in different spelling is refused, the pointer naming the second', () => {
  expect(findHeaderFaults({ 'X-A': '1', 'x-a': '2' })).toEqual([{ pointer: '/headers/x-a', detail: 'is given twice' }]);
});

test('a pointer escapes what a JSON pointer must', () => {
  expect(findHeaderFaults({ 'a/b~c': 'x' })[0]!.pointer).toBe('/headers/a~1b~0c');
});

const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, index) => [`x-${index}`, 'v']));

test('32 headers pass and one more does not', () => {
  expect(findHeaderFaults(many(32))).toEqual([]);
  expect(findHeaderFaults(many(33))).toEqual([{ pointer: '/headers', detail: expect.stringContaining('32') }]);
});
