import { expect, test } from 'vitest';
import { Trickle } from './trickle.js';

test('a source may have a hundred at once and twenty a second after that, whatever others do', () => {
  const trickle = new Trickle();
  const passed = (sourceId: string, count: number, now: number): number => Array.from({ length: count }, () => trickle.take(sourceId, now)).filter(Boolean).length;
  expect(passed('a', 1_000, 0)).toBe(100);
  expect(passed('b', 10, 0)).toBe(10);
  expect(passed('a', 1_000, 500)).toBe(10);
  expect(passed('a', 1_000, 1_000_000)).toBe(100);
});
