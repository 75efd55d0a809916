import { expect, test } from 'vitest';
import { AdaptiveLimit, isCongestion } from './concurrency.js';

test('congestion halves the limit, once a second, down to one', () => {
  const limit = new AdaptiveLimit(64);
  const values = [0, 100, 999, 1_000, 2_000, 3_000, 4_000, 5_000, 6_000, 7_000].map((now) => {
    limit.congested(now);
    return limit.value;
  });
  expect(values).toEqual([32, 32, 32, 16, 8, 4, 2, 1, 1, 1]);
});

test('success raises the limit by one per round, up to where it began', () => {
  const limit = new AdaptiveLimit(8);
  limit.congested(0);
  expect(limit.value).toBe(4);
  for (let n = 0; n < 5; n++) limit.succeeded();
  expect(limit.value).toBe(5);
  expect(limit.isFull).toBe(false);
  for (let n = 0; n < 100; n++) limit.succeeded();
  expect(limit.value).toBe(8);
  expect(limit.isFull).toBe(true);
});

test.each([[429, 'http_4xx', true], [503, 'http_5xx', true], [undefined, 'timeout', true], [undefined, 'connect_timeout', true], [500, 'http_5xx', false], [400, 'http_4xx', false], [undefined, 'connect_refused', false], [200, undefined, false]])('status %s of class %s is congestion: %s', (status, errorClass, expected) => {
  expect(isCongestion(status, errorClass)).toBe(expected);
});
