import { expect, test } from 'vitest';
import { isNamed, readRange, wantsPart } from './conditions.js';

test.each<[string | undefined, number, ReturnType<typeof readRange>]>([
  [undefined, 100, 'whole'],
  ['', 100, 'whole'],
  ['bytes=0-0', 100, { start: 0, end: 0 }],
  ['bytes=0-99', 100, { start: 0, end: 99 }],
  ['bytes=99-', 100, { start: 99, end: 99 }],
  ['BYTES=10-20', 100, { start: 10, end: 20 }],
  ['bytes= 10-20 ', 100, { start: 10, end: 20 }],
  ['bytes=,10-20', 100, { start: 10, end: 20 }],
  ['bytes=10-1000', 100, { start: 10, end: 99 }],
  ['bytes=10-99999999999999999999999999', 100, { start: 10, end: 99 }],
  ['bytes=-1', 100, { start: 99, end: 99 }],
  ['bytes=-100', 100, { start: 0, end: 99 }],
  ['bytes=-99999999999999999999999999', 100, { start: 0, end: 99 }],
  ['bytes=100-', 100, 'unsatisfiable'],
  ['bytes=99999999999999999999999999-', 100, 'unsatisfiable'],
  ['bytes=-0', 100, 'unsatisfiable'],
  ['bytes=0-', 0, 'unsatisfiable'],
  ['bytes=-5', 0, 'unsatisfiable'],
  ['bytes=20-10', 100, 'whole'],
  ['bytes=-', 100, 'whole'],
  ['bytes=a-b', 100, 'whole'],
  ['bytes=1', 100, 'whole'],
  ['bytes=--1', 100, 'whole'],
  ['bytes=0x1-2', 100, 'whole'],
  ['bytes=+1-2', 100, 'whole'],
  ['rows=0-1', 100, 'whole'],
  ['bytes=0-1,5-6', 100, 'whole'],
  ['bytes=0-1, bytes=5-6', 100, 'whole'],
])('of %s over %d bytes', (header, bytes, expected) => {
  expect(readRange(header, bytes)).toEqual(expected);
});

test.each<[string | undefined, boolean]>([
  [undefined, false], ['"a"', true], ['W/"a"', true], ['"b", "a"', true], ['"b","a"', true], ['*', true], ['"b"', false], ['a', false], ['"*"', false], ['', false], ['"a', false],
])('If-None-Match: %s names "a": %s', (header, expected) => {
  expect(isNamed(header, '"a"')).toBe(expected);
});

test.each<[string | undefined, boolean]>([
  [undefined, true], ['"a"', true], ['W/"a"', false], ['"b"', false], ['Sun, 22 Nov 2026 08:00:00 GMT', false], ['"a", "b"', false],
])('If-Range: %s wants a part of "a": %s', (header, expected) => {
  expect(wantsPart(header, '"a"')).toBe(expected);
});
