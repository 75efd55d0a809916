import { expect, test } from 'vitest';
import { StoreFault } from '../../platform/index.js';
import { nextTry, type Phase, reasonOf, Refusal } from './failure.js';

const away = new StoreFault('write', 'unreachable', 'The bucket cannot be reached.');
const denied = new StoreFault('write', 'denied', 'The bucket does not let us write.');
const full = new StoreFault('write', 'full', 'The disk is full.');

const waitsOf = (phase: Phase, error: unknown): number[] => {
  const waits: number[] = [];
  for (let wait = nextTry(phase, error, 1); wait !== undefined; wait = nextTry(phase, error, waits.length + 1)) waits.push(wait / 1_000);
  return waits;
};

test.for([
  ['writing', away, [1, 2, 4, 8, 16]],
  ['writing', denied, []],
  ['writing', full, []],
  ['writing', new Refusal('gone'), []],
  ['writing', new Error('a bug'), [1, 2]],
  ['publishing', denied, [1, 2, 4, 8, 16, 32, 60]],
  ['clearing', denied, [1, 2, 4, 8, 16, 32, 64, 128, 256]],
] as const)('while %s, after %s it is tried again after %j seconds', ([phase, error, waits]) => {
  expect(waitsOf(phase, error)).toEqual(waits);
});

test('what is being shown goes on for an hour while the store is away', () => {
  const hours = waitsOf('publishing', away).reduce((sum, wait) => sum + wait, 0) / 3_600;
  expect(hours).toBeGreaterThan(0.95);
  expect(hours).toBeLessThan(1.2);
});

test.for([
  [away, 'The bucket cannot be reached.'],
  [new Refusal('Its destination was deleted.'), 'Its destination was deleted.'],
  [Object.assign(new Error('No space left on device'), { code: '53100' }), 'Postgres ended it: No space left on device'],
  [new TypeError('undefined is not a function'), 'Something went wrong on our side. The log holds the cause under the export_id.'],
] as const)('%s is told as "%s"', ([error, reason]) => {
  expect(reasonOf(error)).toBe(reason);
});
