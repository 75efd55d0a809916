import { expect, test } from 'vitest';
import { Bursts } from './bursts.js';

test('a tenant is in a burst from 2,000 at once on, and no longer when it has calmed down', () => {
  const bursts = new Bursts(2_000, 1_000);
  expect(bursts.count('a', 1_000, 0)).toBe(false);
  expect(bursts.count('a', 1_000, 0)).toBe(false);
  expect(bursts.count('a', 1, 0)).toBe(true);
  expect(bursts.count('b', 1, 0)).toBe(false);
  expect(bursts.count('a', 1, 1_000)).toBe(false);
});

test('a steady thousand per second is no burst, twice that becomes one', () => {
  const bursts = new Bursts(2_000, 1_000);
  const after = (perSecond: number, tenant: string): number => Array.from({ length: 600 }, (_, tenth) => bursts.count(tenant, perSecond / 10, tenth * 100)).indexOf(true);
  expect(after(1_000, 'steady')).toBe(-1);
  expect(after(2_000, 'heavy')).toBeGreaterThan(0);
});
