import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Pace } from './pace.js';

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }));
afterEach(() => void vi.useRealTimers());

test.each([[1, 0], [0.5, 10], [0.25, 30], [1 / 16, 150]])('at a share of %s, 10 ms of work are followed by %s ms of rest', (share, rest) => {
  const pace = new Pace();
  pace.set(share);
  vi.advanceTimersByTime(10);
  expect(pace.restMs()).toBe(rest);
});

test('one thread sets what another one looks at', () => {
  const pace = new Pace();
  const working = new Pace(pace.memory);
  pace.set(0.5);
  vi.advanceTimersByTime(8);
  expect(working.restMs()).toBe(8);
});

test('work is counted until it is worth a rest, and a rest is not counted as work', () => {
  const pace = new Pace();
  pace.set(0.5);
  vi.advanceTimersByTime(4);
  expect(pace.restMs()).toBe(0);
  vi.advanceTimersByTime(4);
  expect(pace.restMs()).toBe(8);
  vi.advanceTimersByTime(8 + 6);
  expect(pace.restMs()).toBe(6);
});

test('no rest takes longer than a second, so that an abort is heard', () => {
  const pace = new Pace();
  pace.set(1 / 16);
  vi.advanceTimersByTime(10_000);
  expect(pace.restMs()).toBe(1_000);
});
