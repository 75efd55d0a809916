import { expect, test } from 'vitest';
import { MASK } from '../../platform/index.js';
import { hintOf, keepsStored, maskedOf, readCredentials } from './credentials.js';

const STORED = { access_key_id: 'AKIAEXAMPLE00001', secret_access_key: 'the-secret', session_token: 'token' };
const NEW = { access_key_id: 'AKIAEXAMPLE00002', secret_access_key: 'another/secret+=' };

test.each<[unknown, unknown]>([
  [undefined, null], [null, null], [NEW, NEW], [{ ...NEW, session_token: 't' }, { ...NEW, session_token: 't' }],
  [maskedOf(STORED), STORED],
  [{ ...STORED, secret_access_key: MASK, session_token: undefined }, { access_key_id: STORED.access_key_id, secret_access_key: STORED.secret_access_key }],
  [{ ...NEW, access_key_id: MASK }, { ...NEW, access_key_id: STORED.access_key_id }],
])('%j over what is stored is %j', (given, read) => {
  expect(readCredentials(given, STORED)).toEqual(read);
});

test.each<[unknown, ...string[]]>([
  ['x', ''], [[], ''], [5, ''], [{}, '/access_key_id', '/secret_access_key'], [{ ...NEW, constructor: 1, huh: 2 }, '/constructor', '/huh'],
  ...['a/b/c', 'a,b,c', 'a b', 'ab', '', 'x'.repeat(129), 'a\r\nx: y', null, 5].map((access_key_id): [unknown, string] => [{ ...NEW, access_key_id }, '/access_key_id']),
  ...['', 'a b', 'x'.repeat(257), 'ü', 'a\n', null, {}].map((secret_access_key): [unknown, string] => [{ ...NEW, secret_access_key }, '/secret_access_key']),
  ...['', 'a\r\nb', null].map((session_token): [unknown, string] => [{ ...NEW, session_token }, '/session_token']),
  [{ ...NEW, secret_access_key: MASK }, '/secret_access_key'],
])('%j is refused at %s', (given, ...names) => {
  expect((readCredentials(given, STORED) as { pointer: string }[]).map(({ pointer }) => pointer)).toEqual(names.map((name) => `/credentials${name}`));
});

test('a mask where nothing is stored is refused', () => {
  for (const stored of [undefined, null]) expect(readCredentials(maskedOf(STORED), stored)).toHaveLength(3);
  expect(readCredentials({ ...NEW, session_token: MASK }, NEW)).toEqual([{ pointer: '/credentials/session_token', detail: 'is the mask of a secret, but none is stored' }]);
});

test('what is left out or masked keeps what is stored, and nothing else does', () => {
  expect([undefined, { ...NEW, access_key_id: MASK }, NEW, null].map(keepsStored)).toEqual([true, true, false, false]);
});

test('of a short id the hint tells nothing', () => {
  expect([hintOf(STORED), hintOf({ ...NEW, access_key_id: 'minioadmin' })]).toEqual(['…0001', '…']);
});
