import { expect, test } from 'vitest';
import { Shedder } from './shedder.js';

const TARGET_MS = 100;
const SAMPLE_MS = 20;

interface Moment { now: number; refused: number; offered: number; delayMs: number }

/** A queue that serves 1,000 a second, or what `serves` says, before which a shedder stands; what waits for more than ten times the target in an overload is given up, as by `Admission`. `offers` is how many a second come at a time. */
function simulate(ms: number, offers: (now: number) => number, serves: (now: number) => number = () => 1_000): { shedder: Shedder; moments: Moment[] } {
  const shedder = new Shedder(TARGET_MS);
  const queue: number[] = [];
  const moments: Moment[] = [];
  let due = 0;
  let done = 0;
  for (let now = 0; now < ms; now += SAMPLE_MS) {
    let refused = 0;
    let offered = 0;
    for (due += (offers(now) * SAMPLE_MS) / 1_000; due >= 1; due--) {
      offered++;
      if (shedder.refuses()) refused++;
      else queue.push(now);
    }
    for (done += (serves(now) * SAMPLE_MS) / 1_000; done >= 1 && queue.length > 0; done--) queue.shift();
    if (queue.length === 0) done = 0;
    while (shedder.share > 0 && queue.length > 0 && now - queue[0]! > 10 * TARGET_MS) queue.shift();
    const delayMs = queue.length === 0 ? 0 : now - queue[0]!;
    shedder.sample(delayMs, now);
    moments.push({ now, refused, offered, delayMs });
  }
  return { shedder, moments };
}

const total = (moments: Moment[], what: 'refused' | 'offered'): number => moments.reduce((sum, moment) => sum + moment[what], 0);
const between = (moments: Moment[], from: number, to: number): Moment[] => moments.filter(({ now }) => now >= from && now < to);

test.each([0.1, 0.5, 0.9, 0.99])('below what can be served (%d of it) nobody is refused', (load) => {
  expect(total(simulate(60_000, () => load * 1_000).moments, 'refused')).toBe(0);
});

test.each([
  ['a burst that is gone at once', (now: number) => (now === 5_000 ? 10_000 : 300), () => 1_000],
  ['a pause of the machine', () => 300, (now: number) => (now >= 5_000 && now < 5_250 ? 0 : 1_000)],
  ['such a pause each second', () => 300, (now: number) => (now % 1_000 < 250 ? 0 : 1_000)],
])('at low load %s refuses nobody', (_, offers, serves) => {
  expect(total(simulate(30_000, offers, serves).moments, 'refused')).toBe(0);
});

test.each([1.3, 2, 5, 20])('at %d times what can be served, what is let in does not wait long, and little of what could be served is turned away', (load) => {
  const { moments } = simulate(30_000, () => load * 1_000);
  const steady = between(moments, 5_000, 30_000);
  const admitted = total(steady, 'offered') - total(steady, 'refused');
  expect(total(between(moments, 0, 2_000), 'refused')).toBeGreaterThan(0);
  expect(Math.max(...steady.map(({ delayMs }) => delayMs))).toBeLessThan(1_100);
  expect(admitted).toBeGreaterThan(0.75 * 25_000);
});

test('a square wave: refused within a second of its rise, let in within three of its fall', () => {
  const { moments } = simulate(40_000, (now) => (Math.floor(now / 10_000) % 2 === 1 ? 3_000 : 300));
  for (const rise of [10_000, 30_000]) {
    expect(total(between(moments, rise - 7_000, rise), 'refused')).toBe(0);
    expect(total(between(moments, rise, rise + 1_000), 'refused')).toBeGreaterThan(0);
  }
});

test('a slow ramp: nobody is refused before it goes beyond what can be served', () => {
  const { moments } = simulate(60_000, (now) => 2_000 * (now / 60_000));
  expect(total(between(moments, 0, 30_000), 'refused')).toBe(0);
  expect(total(between(moments, 30_000, 60_000), 'refused')).toBeGreaterThan(0);
  expect(Math.max(...moments.map(({ delayMs }) => delayMs))).toBeLessThan(1_000);
});

test('when nothing is served any more, nearly all are refused within a second and a half, and again nobody three seconds after it goes on', () => {
  const { moments } = simulate(20_000, () => 500, (now) => (now >= 5_000 && now < 10_000 ? 0 : 2_000));
  expect(total(between(moments, 5_000, 6_000), 'refused')).toBeGreaterThan(0);
  const late = between(moments, 6_500, 10_000);
  expect(total(late, 'refused')).toBeGreaterThan(0.75 * total(late, 'offered'));
  expect(total(between(moments, 13_000, 20_000), 'refused')).toBe(0);
});

test('one long standstill between samples is no overload', () => {
  const shedder = new Shedder(TARGET_MS);
  for (let now = 0; now < 10_000; now += SAMPLE_MS) shedder.sample(now % 400 === 0 ? 5_000 : 1, now);
  expect(shedder.share).toBe(0);
});

test('those refused are asked to stay away the longer, the worse it is', () => {
  const shedder = new Shedder(TARGET_MS);
  const asked: number[] = [];
  for (let now = 0; now < 10_000; now += SAMPLE_MS) {
    shedder.sample(now, now);
    asked.push(shedder.retryAfterSeconds);
  }
  expect(asked[0]).toBe(1);
  expect(asked).toEqual([...asked].sort((a, b) => a - b));
  expect(asked.at(-1)).toBe(30);
});
