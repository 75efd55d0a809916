import { expect, test } from 'vitest';
import { booleanArray, byteaArray, hexArray, intArray, textArray, timeArray, uuidArray } from './binary-arrays.js';

const int = (value: number): string => value.toString(16).padStart(8, '0');
const head = (oid: number, count: number, mayHoldNulls = 0): string => [1, mayHoldNulls, oid, count, 1].map(int).join('');

test.each([
  ['texts, by their bytes', textArray(['a"b', 'é', '']), head(25, 3) + int(3) + '612262' + int(2) + 'c3a9' + int(0)],
  ['bytes, and none', byteaArray([Uint8Array.of(1, 255), null]), `${head(17, 2, 1)}${int(2)}01ffffffffff`],
  ['digests', hexArray(['00ff', 'A1']), `${head(17, 2)}${int(2)}00ff${int(1)}a1`],
  ['ids', uuidArray(['01234567-89AB-7def-8123-456789abcdef']), `${head(2950, 1)}${int(16)}0123456789ab7def8123456789abcdef`],
  ['times, on both sides of 2000 and beyond 32 bits', timeArray([Date.UTC(2000, 0) + 1, Date.UTC(2000, 0) - 1, Date.UTC(9999, 11, 31)]), `${head(1184, 3)}${int(8)}00000000000003e8${int(8)}fffffffffffffc18${int(8)}${(BigInt(Date.UTC(9999, 11, 31) - Date.UTC(2000, 0)) * 1000n).toString(16).padStart(16, '0')}`],
  ['times whose microseconds no float holds', timeArray([Date.UTC(9999, 11, 31) + 1, null]), `${head(1184, 2, 1)}${int(8)}${(BigInt(Date.UTC(9999, 11, 31) + 1 - Date.UTC(2000, 0)) * 1000n).toString(16).padStart(16, '0')}ffffffff`],
  ['texts and ids, and none', Buffer.concat([textArray([null, 'a']), uuidArray([null])]), `${head(25, 2, 1)}ffffffff${int(1)}61${head(2950, 1, 1)}ffffffff`],
  ['whole numbers', intArray([1, -1]), `${head(23, 2)}${int(4)}00000001${int(4)}ffffffff`],
  ['what holds or does not', booleanArray([true, false]), `${head(16, 2)}${int(1)}01${int(1)}00`],
  ['nothing', timeArray([]), head(1184, 0)],
])('%s are written as Postgres reads them', (_, written, hex) => {
  expect(written.toString('hex')).toBe(hex);
});

test('what is no UUID is not sent', () => {
  expect(() => uuidArray(['0123'])).toThrow('0123');
  expect(() => uuidArray(['g1234567-89ab-7def-8123-456789abcdef'])).toThrow();
});
