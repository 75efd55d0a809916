import { expect, test } from 'vitest';
import { scrub, scrubbable } from './scrub.js';

const echo = (body: string, values: string[]) => scrub({ status: 200, headers: { 'x-one': body, 'x-many': [body, 'plain'] }, body, durationMs: 1 }, scrubbable(values));
const MASKED = '(a secret of the webhook)';

test.each([
  ['sesame-1', ['sesame-1'], MASKED],
  ['a sesame-1 b sesame-1', ['sesame-1'], `a ${MASKED} b ${MASKED}`],
  ['{"k":"say \\"hi\\" now"}', ['say "hi" now'], `{"k":"${MASKED}"}`],
  ['longer-sesame', ['sesame', 'longer-sesame'], MASKED],
  ['$& $1 sesame', ['sesame'], `$& $1 ${MASKED}`],
  ['on and on', ['on'], 'on and on'],
])('%s with the secrets %j is kept as %s', (body, values, kept) => {
  expect(echo(body, values)).toEqual({ status: 200, headers: { 'x-one': kept, 'x-many': [kept, 'plain'] }, body: kept, durationMs: 1 });
});

test('a failure without an answer stays as it is', () => {
  const failure = { errorClass: 'reset' as const, error: 'gone', durationMs: 1 };
  expect(scrub(failure, scrubbable(['sesame-1']))).toEqual(failure);
});
