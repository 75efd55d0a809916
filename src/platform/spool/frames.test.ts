import { randomBytes, randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { FRAME_BYTES, readFrames, writeFrames } from './frames.js';

const id = randomUUID();
const payloads = [Buffer.from('first'), Buffer.alloc(0), randomBytes(40), Buffer.from('{"last":true}')];
const bytes = writeFrames(id, payloads);
const starts = payloads.map((_, index) => payloads.slice(0, index).reduce((sum, { length }) => sum + FRAME_BYTES + length, 0));

const textOf = (found: { payload: Buffer }[]): string[] => found.map(({ payload }) => payload.toString('hex'));
const texts = payloads.map((payload) => payload.toString('hex'));

test('what was written is read, in order and whole', () => {
  const { frames, damage } = readFrames(id, bytes);
  expect(textOf(frames)).toEqual(texts);
  expect(frames.map(({ start }) => start)).toEqual(starts);
  expect(damage).toEqual([]);
  expect(readFrames(id, Buffer.alloc(0))).toEqual({ frames: [], damage: [] });
});

test('cut off anywhere, the frames before are read and the rest is named', () => {
  for (let length = 0; length < bytes.length; length++) {
    const { frames, damage } = readFrames(id, bytes.subarray(0, length));
    const whole = payloads.filter((payload, index) => starts[index]! + FRAME_BYTES + payload.length <= length).length;
    expect(textOf(frames)).toEqual(texts.slice(0, whole));
    const end = frames.at(-1)?.end ?? 0;
    expect(damage).toEqual(end < length ? [{ start: end, end: length }] : []);
  }
});

test('with any one bit changed, every other frame is read and the changed one is named', () => {
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const changed = Buffer.from(bytes);
    changed[bit >> 3]! ^= 1 << (bit & 7);
    const hit = starts.findLastIndex((start) => start <= bit >> 3);
    const { frames, damage } = readFrames(id, changed);
    expect(textOf(frames)).toEqual(texts.filter((_, index) => index !== hit));
    expect(damage).toEqual([{ start: starts[hit], end: starts[hit + 1] ?? bytes.length }]);
  }
});

test('with a stretch lost, doubled or overwritten, nothing is read that was not written', () => {
  for (let round = 0; round < 2_000; round++) {
    const [from, to] = [Math.floor(Math.random() * bytes.length), Math.floor(Math.random() * bytes.length)].sort((a, b) => a - b) as [number, number];
    const stretch = bytes.subarray(from, to);
    const changed = Buffer.concat([bytes.subarray(0, from), [Buffer.alloc(0), Buffer.concat([stretch, stretch]), Buffer.alloc(to - from), randomBytes(to - from)][round % 4]!, bytes.subarray(to)]);
    for (const text of textOf(readFrames(id, changed).frames)) expect(texts).toContain(text);
  }
});

test('a payload that holds frames of another segment is not taken for them when its own frame breaks', () => {
  const planted = writeFrames(id, [writeFrames(randomUUID(), [Buffer.from('planted')])]);
  planted[5]! ^= 1;
  expect(readFrames(id, planted)).toEqual({ frames: [], damage: [{ start: 0, end: planted.length }] });
});
