import { expect, test } from 'vitest';
import { cpuMs } from '../../../test/support/cpu.js';
import { compileSchema } from './compile.js';
import { findSchemaFaults } from './read-schema.js';

/** Schemas that each have two ways to the next, 2^40 to the leaf. */
const maze = (ways: (next: object) => object, leaf: object): Record<string, unknown> => ({
  $ref: '#/$defs/a0',
  $defs: { ...Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`a${n}`, ways({ $ref: `#/$defs/a${n + 1}` })])), a40: leaf },
});

const both = (next: object): object => ({ anyOf: [next, next] });
const TEXT = { type: 'string' };
const MAZES: [what: string, schema: Record<string, unknown>][] = [
  ['anyOf, wrong type', maze(both, TEXT)], ['anyOf, wrong number', maze(both, { type: 'number', minimum: 9 })], ['anyOf, wrong constant', maze(both, { const: 'x' })],
  ['oneOf', maze((next) => ({ oneOf: [next, next] }), TEXT)], ['not', maze((next) => ({ anyOf: [{ not: { not: next } }, next] }), TEXT)],
  ['if', maze((next) => ({ anyOf: [{ if: next, else: next }, next] }), TEXT)], ['allOf', maze((next) => ({ anyOf: [{ $ref: '#/$defs/a40' }, { allOf: [next] }, next] }), TEXT)],
];

test.each(MAZES)('a value that fails in every branch is given up on in time: %s', (_, schema) => {
  const started = cpuMs();
  expect(findSchemaFaults(schema)).toEqual([]);
  expect(compileSchema(schema).faultsOf(1)).toEqual([{ pointer: '', detail: expect.stringContaining('takes too long') }]);
  expect(cpuMs() - started).toBeLessThan(5_000);
});

test('where looking for every fault would cost too much, the first is named', () => {
  const { $defs } = maze(both, TEXT);
  const started = cpuMs();
  expect(compileSchema({ allOf: [{ required: ['x'] }, { $ref: '#/$defs/a0' }], $defs }).faultsOf({})).toEqual([{ pointer: '/x', detail: 'is missing' }]);
  expect(cpuMs() - started).toBeLessThan(5_000);
});
