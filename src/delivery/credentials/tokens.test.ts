import { expect, test } from 'vitest';
import { readTokenAnswer, tokenOf } from './tokens.js';

const answer = (body: unknown, status = 200) => readTokenAnswer({ status, headers: {}, body: typeof body === 'string' ? body : JSON.stringify(body), durationMs: 1 });

test.each<[unknown, number]>([
  [3_600, 3_600], ['3600', 3_600], [1, 1], [0.5, 0.5], [86_400, 86_400], [1e12, 86_400],
  [undefined, 300], [null, 300], [0, 300], [-5, 300], ['soon', 300], ['', 300], [{}, 300], [[7], 300], [true, 300],
])('expires_in %j is taken for %i seconds', (expires_in, lifetimeS) => {
  expect(answer({ access_token: 'a', token_type: 'bearer', expires_in })).toEqual({ value: 'a', lifetimeS });
});

test.each<[unknown, number, RegExp]>([
  [{ error: 'invalid_client' }, 401, /^answered HTTP 401 Unauthorized: invalid_client$/],
  [{ error: 'x'.repeat(500) }, 400, /: x{200}…$/],
  [{ error: { message: 'odd' } }, 400, /^answered HTTP 400 Bad Request\.$/],
  ['null', 400, /^answered HTTP 400 Bad Request\.$/],
  ['', 204, /its body is not JSON/],
  [['a'], 200, /without an access_token/],
  [{ access_token: '' }, 200, /without an access_token/],
  [{ access_token: 'a b' }, 200, /cannot be sent in a header/],
  [{ access_token: 'a', token_type: 7 }, 200, /of type 7/],
])('%j with status %i is no token', (body, status, words) => {
  expect(answer(body, status)).toMatch(words);
});

test.each([[3_600, 0, 3_540], [3_600, 1, 3_480], [100, 0, 90], [100, 1, 80], [1, 0.5, 0.85]])('a token of %i s is stale, with chance %f, after %f s', (lifetimeS, chance, stale) => {
  const { staleAt, expiresAt } = tokenOf({ value: 'a', lifetimeS }, 1_000, false, () => chance);
  expect(staleAt - 1_000).toBeCloseTo(stale * 1000);
  expect(expiresAt - 1_000).toBe(lifetimeS * 1000);
});
