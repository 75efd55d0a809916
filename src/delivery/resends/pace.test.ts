import { expect, test } from 'vitest';
import { afterChunk, chunkOf, paceOf, shareOf } from './pace.js';

test.each<[rate: number | null, parts: number, share: number]>([[null, 1, 4_000], [null, 4, 1_000], [null, 5_000, 20], [100, 1, 100], [100, 4, 25], [1, 1, 1], [10, 1_000, 1]])(
  'at rate %s each of %i webhooks may have %i waiting untried', (rate, parts, share) => {
    expect(shareOf(rate, parts)).toBe(share);
  });

test.each<[rate: number | null, room: number, size: number]>([[null, 4_000, 1_000], [null, 7, 7], [10, 10, 5], [10, 2, 2], [1, 1, 1], [10_000, 10_000, 1_000]])('at rate %s with room for %i a chunk has %i', (rate, room, size) => {
  expect(chunkOf(rate, room)).toBe(size);
});

test('without a rate everything is due now and the next chunk may follow at once', () => {
  const pace = paceOf(null, 0, 5_000);
  expect(pace).toEqual({ from: 5_000, stepMs: 0 });
  expect(afterChunk(pace, 1_000)).toBe(5_000);
});

test.each([1, 3, 7, 10, 250, 999, 10_000])('at %i per second no second holds more than that, however irregularly it is advanced', (rate) => {
  const due: number[] = [];
  let advanceAt = 0;
  // Looks at irregular times, with an hour's silence in the middle: a crash, or a pause.
  for (let look = 0, now = 0; look < 400; look++) {
    now += look === 200 ? 3_600_000 : (look * 37) % 300;
    if (now < advanceAt) continue;
    const pace = paceOf(rate, advanceAt, now);
    const count = chunkOf(rate, shareOf(rate, 1));
    for (let n = 0; n < count; n++) due.push(pace.from + n * pace.stepMs);
    advanceAt = afterChunk(pace, count);
  }
  for (let first = 0; first + rate < due.length; first++) expect(due[first + rate]! - due[first]!).toBeGreaterThanOrEqual(999.999);
});
