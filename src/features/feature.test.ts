import { expect, test } from 'vitest';
import { includes } from './feature.js';

const SUBJECTS = Array.from({ length: 10_000 }, (_, n) => `subject-${n}`);
const chosen = (name: string, percentage: number): string[] => SUBJECTS.filter((subject) => includes(name, percentage, subject));

test('raising the percentage only adds subjects', () => {
  let before: string[] = [];
  for (const percentage of [0, 1, 2, 5, 10, 25, 26, 50, 75, 99, 100]) {
    const now = new Set(chosen('a', percentage));
    expect(before.filter((subject) => !now.has(subject))).toEqual([]);
    before = [...now];
  }
  expect(before).toEqual(SUBJECTS);
});

test.each([0, 1, 5, 25, 50, 75, 99, 100])('%i percent are that share of the subjects', (percentage) => {
  const share = (100 * chosen('a', percentage).length) / SUBJECTS.length;
  // Three standard deviations of a share among ten thousand are at most 1.5.
  expect(Math.abs(share - percentage)).toBeLessThanOrEqual(percentage % 100 === 0 ? 0 : 1.5);
});

test('who comes first differs from feature to feature', () => {
  const other = new Set(chosen('b', 25));
  const both = chosen('a', 25).filter((subject) => other.has(subject)).length / SUBJECTS.length;
  expect(both).toBeGreaterThan(0.05);
  expect(both).toBeLessThan(0.075);
});

// The places are for good: a rollout must not be reshuffled by a new version or by another process.
test.each<[percentage: number, subject: string, included: boolean]>([[50, 'one', true], [50, 'three', false]])('at %i percent, %s is in: %s', (percentage, subject, included) => {
  expect(includes('fixed', percentage, subject)).toBe(included);
});
