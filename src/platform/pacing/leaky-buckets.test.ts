import { expect, test } from 'vitest';
import { LeakyBuckets } from './leaky-buckets.js';

const LIMIT = { per_second: 10, burst: 20 };

test('a burst goes at once, and what is beyond it is told exactly when it may', () => {
  const buckets = new LeakyBuckets();
  expect(Array.from({ length: 20 }, () => buckets.tryPour('a', 1, LIMIT, 0))).toEqual(Array(20).fill(0));
  expect(buckets.tryPour('a', 1, LIMIT, 0)).toBeCloseTo(100);
  expect(buckets.tryPour('a', 5, LIMIT, 0)).toBeCloseTo(500);
  expect(buckets.tryPour('a', 5, LIMIT, 499)).toBeGreaterThan(0);
  expect(buckets.tryPour('a', 5, LIMIT, 500)).toBe(0);
  expect(buckets.tryPour('b', 20, LIMIT, 500)).toBe(0);
});

test('over a long time no more goes than the rate allows, however it is asked for', () => {
  for (const size of [1, 3, 20, 50]) {
    const buckets = new LeakyBuckets();
    let gone = 0;
    for (let now = 0; now <= 100_000; now += 7) if (buckets.tryPour('a', size, LIMIT, now) === 0) gone += size;
    expect(gone, `in pieces of ${size}`).toBeLessThanOrEqual(100 * 10 + Math.max(LIMIT.burst, size));
    expect(gone, `in pieces of ${size}`).toBeGreaterThan(100 * 10 - size);
  }
});

test('what is larger than the bucket goes when it is empty, and is paid for after', () => {
  const buckets = new LeakyBuckets();
  expect(buckets.tryPour('a', 100, LIMIT, 0)).toBe(0);
  expect(buckets.tryPour('a', 1, LIMIT, 0)).toBeCloseTo(8_100);
  expect(buckets.tryPour('a', 100, LIMIT, 9_999)).toBeGreaterThan(0);
  expect(buckets.tryPour('a', 100, LIMIT, 10_000)).toBe(0);
});

test('of too many keys the one not asked for longest is forgotten', () => {
  const buckets = new LeakyBuckets(2);
  buckets.pour('a', 20, 10, 0);
  buckets.pour('b', 20, 10, 0);
  buckets.pour('a', 0, 10, 0);
  buckets.pour('c', 20, 10, 0);
  expect(buckets.pour('a', 0, 10, 0)).toBe(20);
  expect(buckets.pour('b', 0, 10, 0)).toBe(0);
});
