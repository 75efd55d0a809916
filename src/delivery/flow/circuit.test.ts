import { describe, expect, test } from 'vitest';
import { holdMs, probeWaitMs, RecentAttempts } from './circuit.js';

/** Counts outcomes, `x` a failure of a delivery of its own, `1` one of the same delivery, `.` a success. Answers after how many it opened, or 0. */
function opensAfter(outcomes: string, gapMs = 1_000): number {
  const recent = new RecentAttempts();
  return [...outcomes].findIndex((outcome, at) => recent.count(outcome === '1' ? 'same' : `d${at}`, outcome === '.', (at + 1) * gapMs)) + 1;
}

describe('the circuit opens', () => {
  test.each([
    ['after ten failures', 'x'.repeat(12), 10],
    ['when nine of ten failed', '.'.concat('x'.repeat(11)), 10],
    ['when a receiver falls after a long good time', '.'.repeat(49).concat('x'.repeat(400)), 84],
  ])('%s', (_, outcomes, after) => {
    expect(opensAfter(outcomes)).toBe(after);
  });
});

describe('the circuit stays closed', () => {
  test.each([
    ['for nine failures', 'x'.repeat(9)],
    ['for one event that always fails', '1'.repeat(40)],
    ['for a receiver that takes half', 'x.'.repeat(60)],
    ['for one that takes a third', 'xx.'.repeat(40)],
  ])('%s', (_, outcomes) => {
    expect(opensAfter(outcomes)).toBe(0);
  });

  test('for failures that lie far apart', () => {
    expect(opensAfter('x'.repeat(40), 61_000)).toBe(0);
  });
});

test.each([[1, 5_000], [2, 10_000], [4, 40_000], [5, 60_000], [30, 60_000]])('after trip %i it is probed within %i ms, and not before half of it', (trips, longest) => {
  expect(probeWaitMs(trips, () => 0)).toBe(longest);
  expect(probeWaitMs(trips, () => 0.999_999)).toBe(longest / 2);
});

test('a webhook is held for as long as its receiver asks, an hour at most', () => {
  expect([0, 5_000, 86_400_000].map(holdMs)).toEqual([0, 5_000, 3_600_000]);
});
