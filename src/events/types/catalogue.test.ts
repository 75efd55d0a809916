import { expect, test } from 'vitest';
import { KeptSchema } from './catalogue.js';

test('of schemas that are asked, the last 300 stay compiled, and the others still answer', () => {
  const schemas = Array.from({ length: 305 }, (_, n) => new KeptSchema(n, JSON.stringify({ const: n })));
  for (const schema of schemas) {
    expect(schema.faultsOf(schema.version)).toEqual([]);
    schemas[0]!.faultsOf(0);
  }
  expect(schemas.filter(({ isCompiled }) => !isCompiled).map(({ version }) => version)).toEqual([1, 2, 3, 4, 5]);
  expect([schemas[1]!.faultsOf(1), schemas[1]!.faultsOf(2)]).toEqual([[], [{ pointer: '', detail: 'must be 1' }]]);
  expect(schemas.filter(({ isCompiled }) => isCompiled)).toHaveLength(300);
});
