/** How many digits may stand before the point and behind it. */
export interface DecimalShape {
  whole: number;
  fraction: number;
}

/** JSON's grammar for numbers, with room for what a double would round. */
const DECIMAL = /^(-?)(0|[1-9]\d*)(?:\.(\d+))?(?:[eE]([+-]?\d{1,4}))?$/;

/**
 * The same number without an exponent, its digits as they were written (`1.50` stays `1.50`); undefined when the text is no
 * decimal or its value does not fit. Zeros beyond the last digit that fits are cut off, for they say nothing.
 */
export function readDecimal(text: string, { whole, fraction }: DecimalShape): string | undefined {
  const match = DECIMAL.exec(text);
  if (!match) return undefined;
  const [, sign, before, behind = '', exponent = '0'] = match as unknown as [string, string, string, string?, string?];
  const digits = before + behind;
  if (/^0+$/.test(digits)) return '0';
  // Where the point stands in `digits`; it may lie outside of them.
  const point = before.length + Number(exponent);
  const first = digits.search(/[1-9]/);
  const last = digits.search(/[1-9]0*$/);
  if (point - first > whole || last + 1 - point > fraction) return undefined;
  const integer = point > 0 ? digits.slice(0, point).padEnd(point, '0').replace(/^0+(?=\d)/, '') : '0';
  const rest = (point >= 0 ? digits.slice(point) : '0'.repeat(-point) + digits).slice(0, fraction);
  return `${sign}${integer}${rest && `.${rest}`}`;
}
