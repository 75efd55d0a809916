import { expect, test } from 'vitest';
import { readDecimal } from './decimal.js';

const COST = { whole: 17, fraction: 21 };

test.each([
  ['0', '0'], ['-0', '0'], ['0.000', '0'], ['0e99', '0'], ['1', '1'], ['-1', '-1'], ['1.50', '1.50'], ['-0.05', '-0.05'],
  ['143227.763678187615017991050', '143227.763678187615017991050'],
  ['99999999999999999.999999999999999999999', '99999999999999999.999999999999999999999'],
  ['5.64902E-05', '0.0000564902'], ['6.266090E-12', '0.000000000006266090'], ['1e16', '10000000000000000'], ['1.5E+3', '1500'], ['-12.345e1', '-123.45'], ['12345e-2', '123.45'], ['0.001e3', '1'], ['0.00123e3', '1.23'],
  // Zeros that no digit follows do not count, wherever they stand.
  ['1.0000000000000000000000000', '1.000000000000000000000'], ['1.000E-20', '0.000000000000000000010'], ['1e-21', '0.000000000000000000001'], ['0.000000000000000000001000', '0.000000000000000000001'], ['100000000000000000e-1', '10000000000000000.0'],
])('%s is read as %s', (text, value) => expect(readDecimal(text, COST)).toBe(value));

test.each(['', ' ', '1 ', '+1', '.5', '5.', '01', '1,5', '1_000', '0x1F', 'NaN', 'Infinity', '-Infinity', '1e', '1e1.5', '--1', '١', '1\n', '1e99999',
  '100000000000000000', '1e17', '-1e17', '1e1000', '1e-22', '0.0000000000000000000001', '1.0000000000000000000001', '12345678901234567.0000000000000000000001'])('%j is refused', (text) => expect(readDecimal(text, COST)).toBeUndefined());

test('whatever the exponent, the value stays the same', () => {
  for (let shift = -25; shift <= 25; shift++) {
    const read = readDecimal(`1234.5678e${shift}`, { whole: 60, fraction: 60 })!;
    const [whole, fraction = ''] = read.split('.') as [string, string?];
    // As integers: the value times 10^40 is the same, however it is written.
    expect(BigInt(whole + fraction.padEnd(40, '0'))).toBe(12345678n * 10n ** BigInt(36 + shift));
  }
});
