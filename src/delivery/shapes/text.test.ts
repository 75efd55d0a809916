import { expect, test } from 'vitest';
import { clean, clip } from './text.js';

const entities = (text: string): string => text.replaceAll('<', '&lt;');

test.each([
  ['short', 10, 'short'], ['exactly ten', 11, 'exactly ten'], ['one too many', 11, 'one too ma…'], ['😀😀😀', 6, '😀😀😀'], ['😀😀😀', 5, '😀😀…'], ['😀😀😀', 4, '😀…'], ['<<<', 12, '&lt;&lt;&lt;'], ['<<<', 11, '&lt;&lt;…'], ['<', 3, '…'], ['', 5, ''],
])('%j fits %i characters as %j', (text, most, expected) => {
  expect(clip(text, most, entities)).toBe(expected);
  expect(expected.length).toBeLessThanOrEqual(most);
});

test.each([
  [' a\n\tb\u0000c ', 'a b c'], ['\u202eevil', 'evil'], ['\ud800x', '\ufffdx'], ['\u200b', ''], ['ü 日本 👩‍👩‍👧', 'ü 日本 👩‍👩‍👧'],
])('%j is shown as %j', (text, expected) => expect(clean(text)).toBe(expected));

test('cleaning looks only at the beginning of a huge text', () => {
  expect(clean('a'.repeat(1_000_000), 10)).toBe('aaaaaaaaaa');
  expect(clean(`${'a'.repeat(9)}😀`, 10)).toBe('aaaaaaaaa\ufffd');
});
