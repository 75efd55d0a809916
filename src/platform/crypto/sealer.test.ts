import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { Sealer } from './sealer.js';

const [oldKey, newKey] = [randomBytes(32), randomBytes(32)];
const sealer = new Sealer([oldKey]);

test.each(['', 'whsec_x', 'ünïcode 🎉', 'x'.repeat(100_000)])('what was sealed opens again at its place', (plain) => {
  expect(sealer.open(sealer.seal(plain, 'table:1'), 'table:1')).toBe(plain);
});

test('sealing the same text twice gives different values, neither of which shows it', () => {
  const sealed = [sealer.seal('whsec_secret', 'p'), sealer.seal('whsec_secret', 'p')];
  expect(sealed[0]).not.toBe(sealed[1]);
  for (const value of sealed) expect(Buffer.from(value.split('.')[2]!, 'base64url').includes('whsec_secret')).toBe(false);
});

test('a value moved to another place does not open', () => {
  expect(() => sealer.open(sealer.seal('secret', 'table:1'), 'table:2')).toThrow();
});

test('a value with any bit flipped does not open', () => {
  const [version, id, body] = sealer.seal('secret', 'p').split('.') as [string, string, string];
  const bytes = Buffer.from(body, 'base64url');
  for (let at = 0; at < bytes.length; at++) {
    const changed = Buffer.from(bytes);
    changed[at]! ^= 1;
    expect(() => sealer.open(`${version}.${id}.${changed.toString('base64url')}`, 'p'), `byte ${at}`).toThrow();
  }
});

test('a value whose tag was cut short does not open', () => {
  const [version, id, body] = sealer.seal('secret', 'p').split('.') as [string, string, string];
  const bytes = Buffer.from(body, 'base64url');
  for (let left = 0; left < bytes.length; left++) {
    expect(() => sealer.open(`${version}.${id}.${bytes.subarray(0, left).toString('base64url')}`, 'p'), `${left} bytes`).toThrow();
  }
});

test('during a rotation the new key seals and both open', () => {
  const sealedBefore = sealer.seal('before', 'p');
  const rotated = new Sealer([newKey, oldKey]);
  expect(rotated.open(sealedBefore, 'p')).toBe('before');
  const sealedAfter = rotated.seal('after', 'p');
  expect(new Sealer([newKey]).open(sealedAfter, 'p')).toBe('after');
});

test('a value sealed with a key that is no longer there says so', () => {
  const sealed = sealer.seal('secret', 'p');
  expect(() => new Sealer([newKey]).open(sealed, 'p')).toThrow(/SEALING_KEY does not hold/);
});

test.each(['', 'v1', 'v2.abc.def', 'plain text', 'v1..'])('%j is not taken for a sealed value', (value) => {
  expect(() => sealer.open(value, 'p')).toThrow();
});

test('a key of the wrong size is refused with its size', () => {
  expect(() => new Sealer([randomBytes(31)])).toThrow(/holds 31/);
});
