import { expect, test } from 'vitest';
import type { ErrorClass, Exchange } from '../../platform/index.js';
import type { RetryPolicy } from '../webhooks/retry.js';
import { failureOf, judge } from './verdict.js';

const policy: RetryPolicy = { max_retries: 2, base_seconds: 1, factor: 2, max_seconds: 60, jitter: false };
const answer = (status: number, headers: Record<string, string> = {}): Exchange => ({ status, headers, body: '', durationMs: 5 });
const failed = (errorClass: ErrorClass, more: Partial<Exchange> = {}): Exchange => ({ errorClass, error: 'Words.', durationMs: 5, ...more }) as Exchange;

test.each([200, 201, 202, 204, 299])('HTTP %i is success', (status) => {
  expect(failureOf(answer(status))).toBeUndefined();
  expect(judge(answer(status), policy, 1, 0)).toEqual({ kind: 'succeeded' });
});

test.each<[number, string]>([[301, 'redirect'], [302, 'redirect'], [304, 'redirect'], [308, 'redirect'], [400, 'http_4xx'], [401, 'http_4xx'], [404, 'http_4xx'], [429, 'http_4xx'], [499, 'http_4xx'], [500, 'http_5xx'], [503, 'http_5xx'], [599, 'http_5xx'], [999, 'http_5xx']])(
  'HTTP %i is a failure of class %s and is tried again', (status, errorClass) => {
    expect(failureOf(answer(status))).toMatchObject({ errorClass, error: expect.stringContaining(`HTTP ${status}`) });
    expect(judge(answer(status), policy, 1, 0)).toEqual({ kind: 'retry', waitMs: 1_000 });
  });

test.each<ErrorClass>(['dns', 'connect_refused', 'connect_timeout', 'tls', 'reset', 'timeout', 'response_too_large', 'blocked_address', 'protocol'])('a failure of class %s is tried again', (errorClass) => {
  expect(judge(failed(errorClass), policy, 2, 0)).toEqual({ kind: 'retry', waitMs: 2_000 });
});

test('a 200 whose body does not end well is a failure', () => {
  expect(failureOf(failed('response_too_large', { status: 200 }))).toMatchObject({ errorClass: 'response_too_large' });
});

test('410 ends the delivery and disables the webhook, whatever retries are left', () => {
  expect(judge(answer(410), policy, 1, 0)).toMatchObject({ kind: 'dead', reason: expect.stringContaining('410'), disable: expect.stringContaining('410') });
});

test.each<[headers: Record<string, string | string[]>, disables: boolean, aborts: boolean]>([
  [{ 'webhook-delivery': 'disable' }, true, false], [{ 'webhook-delivery': ' Disable ' }, true, false], [{ 'webhook-delivery': 'thanks, DISABLE' }, true, false], [{ 'webhook-delivery': ['x', 'disable'] }, true, false],
  [{ 'webhook-delivery': 'abort-message' }, false, true], [{ 'webhook-delivery': 'Abort-Message, later' }, false, true], [{ 'webhook-delivery': 'abort-message,disable' }, true, true],
  [{ 'abort-message': '' }, false, true], [{ 'abort-message': 'true' }, false, true], [{ 'abort-message': '0' }, false, true], [{ 'abort-message': ' False ' }, false, false], [{ 'abort-message': ['false'] }, false, false],
  [{}, false, false], [{ 'webhook-delivery': '' }, false, false], [{ 'webhook-delivery': 'disabled' }, false, false], [{ 'webhook-delivery': 'not-disable abort-message' }, false, false], [{ 'webhook-delivery': 'abort' }, false, false], [{ 'x-webhook-delivery': 'disable' }, false, false],
])('an answer with %j disables the webhook: %s, ends the delivery: %s', (headers, disables, aborts) => {
  const disable = disables ? { disable: expect.stringContaining('webhook-delivery: disable') } : {};
  expect(judge({ ...answer(200), headers } as Exchange, policy, 1, 0)).toEqual({ kind: 'succeeded', ...disable });
  for (const exchange of [answer(500), failed('timeout', { status: 200 })]) {
    const verdict = judge({ ...exchange, headers } as Exchange, policy, 1, 0);
    expect(verdict).toEqual(disables || aborts ? { kind: 'dead', reason: expect.stringMatching(disables ? /disable.*The attempt failed/ : /abort-message.*The attempt failed/), ...disable } : { kind: 'retry', waitMs: 1_000 });
  }
});

test.each<[status: number, retryAfter: string, waitMs: number]>([[429, '30', 30_000], [503, '30', 30_000], [429, '0', 1_000], [503, 'nonsense', 1_000], [500, '30', 1_000], [400, '30', 1_000]])(
  'HTTP %i with Retry-After %s waits %i ms', (status, retryAfter, waitMs) => {
    expect(judge(answer(status, { 'retry-after': retryAfter }), policy, 1, 0)).toEqual({ kind: 'retry', waitMs });
  });

test('a Retry-After date is counted from now', () => {
  const now = Date.UTC(2026, 0, 1);
  expect(judge(answer(429, { 'retry-after': 'Thu, 01 Jan 2026 00:01:00 GMT' }), policy, 1, now)).toEqual({ kind: 'retry', waitMs: 60_000 });
});

test('when the retries are used up the reason counts the attempts and tells the last failure', () => {
  expect(judge(answer(500), policy, 3, 0)).toEqual({ kind: 'dead', reason: 'All 3 attempts failed. The last one: HTTP 500 Internal Server Error', exhausted: true });
  expect(judge(failed('dns'), { ...policy, max_retries: 0 }, 1, 0)).toEqual({ kind: 'dead', reason: 'The only attempt failed. The last one: Words.', exhausted: true });
});
