import { expect, test } from 'vitest';
import { parseExactly } from './published.js';

test.each([
  ['143227.763678187615017991050', '143227.763678187615017991050'], ['9007199254740993', '9007199254740993'], ['-9007199254740993', '-9007199254740993'], ['1e400', '1e400'], ['0.10000000000000000001', '0.10000000000000000001'],
  ['1795323456789.000', '1795323456789'], ['1795323456789.120', '1795323456789.12'], ['100000000000000000000', '100000000000000000000'], ['12.50', '12.5'], ['-0.5', '-0.5'],
])('the number %s reads as %s, with all its digits', (source, shown) => {
  const { list: [number], text } = parseExactly(`{"list":[${source}],"text":"${source}"}`) as { list: [unknown]; text: string };
  expect(String(number)).toBe(shown);
  expect(Number(number)).toBe(Number(source));
  expect(text).toBe(source);
});
