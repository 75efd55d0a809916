import { expect, test } from 'vitest';
import { digestOf, hintOf, keyIdOf, makeKey } from './keys.js';
import { OPERATOR_SCOPES, permits, SCOPES } from './scopes.js';

const ID = '018f4e2a-0000-7abc-8def-0123456789ab';

test('a key carries its id, and no two keys of one id are alike', () => {
  const [one, two] = [makeKey(ID), makeKey(ID)];
  expect(one).toMatch(/^lh_live_[0-9a-f]{32}_[0-9A-Za-z]{38}$/);
  expect(keyIdOf(one)).toBe(ID);
  expect(one).not.toBe(two);
  expect(digestOf(one).equals(digestOf(two))).toBe(false);
});

test('any one character mistyped is found by the checksum', () => {
  const key = makeKey(ID);
  for (let at = 0; at < key.length; at++) {
    const typo = key.slice(0, at) + (key[at] === '1' ? '2' : '1') + key.slice(at + 1);
    expect(keyIdOf(typo), typo).toBeUndefined();
  }
});

test('two neighbours swapped are found by the checksum', () => {
  const key = makeKey(ID);
  for (let at = 0; at < key.length - 1; at++) {
    if (key[at] !== key[at + 1]) expect(keyIdOf(key.slice(0, at) + key[at + 1] + key[at] + key.slice(at + 2))).toBeUndefined();
  }
});

test.each(['', 'lh_live_', 'lh_test_0', `${makeKey(ID)} `, `${makeKey(ID)}\n`, makeKey(ID).slice(0, -1), makeKey(ID).toUpperCase()])('%j is no key', (text) => {
  expect(keyIdOf(text)).toBeUndefined();
});

test('the hint shows four characters', () => {
  const key = makeKey(ID);
  expect(hintOf(key)).toBe(`…${key.slice(-4)}`);
});

test('`*` permits everything but what is for operators, and a scope permits itself only', () => {
  for (const scope of SCOPES) {
    expect(permits(['*'], scope), scope).toBe(!OPERATOR_SCOPES.includes(scope));
    expect(SCOPES.filter((other) => permits([scope], other)), scope).toEqual(scope === '*' ? SCOPES.filter((other) => !OPERATOR_SCOPES.includes(other)) : [scope]);
    expect(permits([], scope)).toBe(false);
  }
});
