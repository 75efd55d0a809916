import { expect, test } from 'vitest';
import { DEFAULT_POLICY, DURABLE_POLICY, nextWaitMs, readRetryAfter, readRetryPolicy, type RetryPolicy } from './retry.js';

const exact: RetryPolicy = { max_retries: 5, base_seconds: 2, factor: 3, max_seconds: 30, jitter: false };
const NOW = Date.UTC(2026, 0, 1);

test('waits grow by the factor up to the ceiling, and end with the retries', () => {
  expect([1, 2, 3, 4, 5, 6, 7].map((tries) => nextWaitMs(exact, tries))).toEqual([2_000, 6_000, 18_000, 30_000, 30_000, undefined, undefined]);
});

test('the default policy waits 5 s, 30 s and 180 s nominally, then gives up', () => {
  expect([1, 2, 3, 4].map((tries) => nextWaitMs({ ...DEFAULT_POLICY, jitter: false }, tries))).toEqual([5_000, 30_000, 180_000, undefined]);
  expect(DEFAULT_POLICY.jitter).toBe(true);
});

test('the durable policy goes on for about three days on average', () => {
  let hours = 0;
  for (let tries = 1, wait; (wait = nextWaitMs(DURABLE_POLICY, tries, 0, () => 0.5)) !== undefined; tries++) hours += wait / 3_600_000;
  expect(hours).toBeGreaterThan(60);
  expect(hours).toBeLessThan(84);
});

test('full jitter waits anything from nothing to the nominal wait', () => {
  const jittered = { ...exact, jitter: true };
  expect(nextWaitMs(jittered, 2, 0, () => 0)).toBe(0);
  expect(nextWaitMs(jittered, 2, 0, () => 0.5)).toBe(3_000);
  const waits = Array.from({ length: 2_000 }, () => nextWaitMs(jittered, 2)!);
  expect(Math.min(...waits)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...waits)).toBeLessThanOrEqual(6_000);
  // Spread over the whole range: of 2,000 draws each tenth gets about 200, and an empty one is out of the question.
  expect(new Set(waits.map((wait) => Math.min(9, Math.floor(wait / 600)))).size).toBe(10);
});

test('Retry-After lengthens a wait, never shortens it, and is believed for a day at most', () => {
  expect(nextWaitMs(exact, 1, 10_000)).toBe(10_000);
  expect(nextWaitMs(exact, 1, 1_000)).toBe(2_000);
  expect(nextWaitMs(exact, 1, 10 * 86_400_000)).toBe(86_400_000);
  expect(nextWaitMs(exact, 6, 10_000)).toBeUndefined();
});

test.each<[string | string[] | undefined, number]>([
  ['120', 120_000], [' 7 ', 7_000], ['0', 0], ['Thu, 01 Jan 2026 00:00:30 GMT', 30_000], ['Wed, 31 Dec 2025 23:59:00 GMT', 0], [['5', '9'], 5_000],
  [undefined, 0], ['', 0], ['soon', 0], ['-5', 0], ['1.5', 0], ['1e3', 0], ['0x10', 0], ['9'.repeat(40), 0], ['2026-01-01T00:01:00Z', 0], ['Infinity', 0], ['NaN', 0],
])('Retry-After %j asks for %i ms', (header, ms) => {
  expect(readRetryAfter(header, NOW)).toBe(ms);
});

test('a policy is read field by field, the others as in the default', () => {
  expect(readRetryPolicy(undefined)).toEqual(DEFAULT_POLICY);
  expect(readRetryPolicy('durable')).toEqual(DURABLE_POLICY);
  expect(readRetryPolicy({})).toEqual(DEFAULT_POLICY);
  expect(readRetryPolicy({ max_retries: 0, jitter: false })).toEqual({ ...DEFAULT_POLICY, max_retries: 0, jitter: false });
});

test('a first wait longer than the default ceiling is meant', () => {
  expect(nextWaitMs({ ...(readRetryPolicy({ base_seconds: 600 }) as RetryPolicy), jitter: false }, 1)).toBe(600_000);
});

test.each<[unknown, string]>([
  [null, '/retry_policy'], [7, '/retry_policy'], [[], '/retry_policy'], ['lasting', '/retry_policy'], [{ max_retries: 21 }, '/retry_policy/max_retries'], [{ max_retries: -1 }, '/retry_policy/max_retries'],
  [{ max_retries: 1.5 }, '/retry_policy/max_retries'], [{ max_retries: '3' }, '/retry_policy/max_retries'], [{ max_retries: null }, '/retry_policy/max_retries'], [{ factor: 0 }, '/retry_policy/factor'],
  [{ base_seconds: -1 }, '/retry_policy/base_seconds'], [{ max_seconds: 86_401 }, '/retry_policy/max_seconds'], [{ jitter: 'yes' }, '/retry_policy/jitter'], [{ tries: 3 }, '/retry_policy/tries'],
  [{ constructor: 3 }, '/retry_policy/constructor'],
])('the policy %j is refused at %s', (value, pointer) => {
  expect(readRetryPolicy(value)).toEqual([expect.objectContaining({ pointer })]);
});
