import { expect, test } from 'vitest';
import { readRateLimit } from './rate-limit.js';

test.each([
  [undefined, null],
  [null, null],
  [{ per_second: 5 }, { per_second: 5, burst: 5 }],
  [{ per_second: 0.1 }, { per_second: 0.1, burst: 1 }],
  [{ per_second: 2.5 }, { per_second: 2.5, burst: 3 }],
  [{ per_second: 10, burst: 100 }, { per_second: 10, burst: 100 }],
])('%j is read as %j', (value, expected) => {
  expect(readRateLimit(value)).toEqual(expected);
});

test.each([
  [5, '/rate_limit'],
  [[], '/rate_limit'],
  [{}, '/rate_limit/per_second'],
  [{ burst: 3 }, '/rate_limit/per_second'],
  [{ per_second: 0 }, '/rate_limit/per_second'],
  [{ per_second: '5' }, '/rate_limit/per_second'],
  [{ per_second: Number.NaN }, '/rate_limit/per_second'],
  [{ per_second: 5, burst: 0 }, '/rate_limit/burst'],
  [{ per_second: 5, burst: 1.5 }, '/rate_limit/burst'],
  [{ per_second: 5, per_minute: 1 }, '/rate_limit/per_minute'],
  [{ per_second: 5, constructor: 1 }, '/rate_limit/constructor'],
])('%j is refused at %s', (value, pointer) => {
  expect(readRateLimit(value)).toContainEqual({ pointer, detail: expect.any(String) });
});
