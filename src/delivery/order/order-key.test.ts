import { expect, test } from 'vitest';
import { ORDER_PATH, orderKeyOf } from './order-key.js';

const EVENT = { data: { account: 'a-1', number: 7, flag: false, nothing: null, deep: { id: 'x' }, list: [{ id: 'first' }], long: 'k'.repeat(201), zero: 'a\0b' }, metadata: { region: 'eu' } };

test.each([
  [null, ''],
  ['data.account', 'a-1'],
  ['data.number', '7'],
  ['data.flag', 'false'],
  ['data.nothing', ''],
  ['data.missing', ''],
  ['data.account.deeper', ''],
  ['data.constructor', ''],
  ['data.deep.id', 'x'],
  ['data.deep', '{"id":"x"}'],
  ['data.list.0.id', 'first'],
  ['metadata.region', 'eu'],
  ['data.zero', 'a\uFFFDb'],
])('the key at %s is %j', (path, key) => {
  expect(orderKeyOf(path, EVENT)).toBe(key);
});

test('a long key is hashed', () => {
  expect(orderKeyOf('data.long', EVENT)).toMatch(/^[0-9a-f]{64}$/);
});

test('data that is no object has the empty key', () => {
  for (const data of ['text', 5, null, [1]]) expect(orderKeyOf('data.account', { data, metadata: {} })).toBe('');
});

test.each(['data', 'other.x', 'data.', 'data..x', '', '$.data.x', `data.${'x'.repeat(101)}`])('%j is no path', (path) => {
  expect(ORDER_PATH.test(path)).toBe(false);
});
