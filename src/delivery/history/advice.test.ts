import { expect, test } from 'vitest';
import { adviceFor } from './advice.js';

const CLASSES = ['dns', 'connect_refused', 'connect_timeout', 'tls', 'reset', 'timeout', 'response_too_large', 'redirect', 'blocked_address', 'protocol', 'local', 'secret_unreadable', 'template', 'token', 'interrupted', 'http_4xx', 'http_5xx'];
const STATUSES = [400, 401, 403, 404, 405, 408, 409, 410, 413, 415, 422, 429, 500, 501, 502, 503, 504];

test('every class, and every common status, has advice of its own', () => {
  const given = [...CLASSES.map((errorClass) => adviceFor(errorClass, null)), ...STATUSES.map((status) => adviceFor(status < 500 ? 'http_4xx' : 'http_5xx', status)), adviceFor('http_5xx', 522)];
  expect(new Set(given).size).toBe(CLASSES.length + STATUSES.length + 1);
  for (const advice of given) expect(advice).toMatch(/^[A-Z].{60,}\.$/);
});

test('a status counts only where it made the failure', () => {
  expect(adviceFor('timeout', 404)).toBe(adviceFor('timeout', null));
  expect(adviceFor('http_4xx', 418)).toBe(adviceFor('http_4xx', null));
  expect(adviceFor('unheard_of', null)).toContain('example');
});
