import { expect, test } from 'vitest';
import { timeOfUuidv7, uuidv7 } from './ids.js';

test('an id is a UUID of version 7 that carries its time', () => {
  for (const ms of [0, 1, 1_700_000_000_000, Date.now(), 2 ** 48 - 1]) {
    const id = uuidv7(ms);
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(timeOfUuidv7(id)).toBe(ms);
  }
});

test('ids of one millisecond grow, and later ids sort after earlier ones', () => {
  const ids = [1_000, 1_000, 1_001].flatMap((ms) => Array.from({ length: 1_000 }, () => uuidv7(ms)));
  expect([...ids].sort()).toEqual(ids);
});

test('ids stay unique past the 4,096 that one millisecond can count', () => {
  const ids = Array.from({ length: 50_000 }, () => uuidv7(5_000));
  expect(new Set(ids).size).toBe(ids.length);
});

test.each([
  ['another version', '018f0000-0000-4000-8000-000000000000'],
  ['another variant', '018f0000-0000-7000-c000-000000000000'],
  ['upper case', '018F0000-0000-7000-8000-00000000000A'],
  ['no UUID at all', 'order-17'],
  ['nothing', ''],
  ['text after it', '018f0000-0000-7000-8000-000000000000\n'],
])('an id of %s carries no time', (_, id) => {
  expect(timeOfUuidv7(id)).toBeUndefined();
});
