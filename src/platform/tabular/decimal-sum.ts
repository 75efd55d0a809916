import { UnfitValue } from './table.js';

const ZERO = 0x30;
const NINE = 0x39;
const MINUS = 0x2d;
const POINT = 0x2e;
/** Digits that a double holds exactly, with room to add some thousands of such numbers. */
const GROUP_DIGITS = 15;
const FULL = 8e15;
const MAX_DIGITS = 38;

/**
 * The exact sum of one decimal column, fed with numbers as Postgres prints them. Adding costs as much as reading the digits:
 * groups of up to 15 digits go to a double per power of ten, and only a double that is nearly full goes to the big one.
 */
export class DecimalSum {
  private readonly groups: Float64Array;
  private whole = 0n;

  constructor(readonly column: string, readonly scale: number) {
    this.groups = new Float64Array(MAX_DIGITS + 1);
  }

  /** Throws {@link UnfitValue} for what is no DECIMAL(38, scale). */
  addText(bytes: Uint8Array, from: number, to: number): void {
    const negative = bytes[from] === MINUS;
    let high = 0;
    let low = 0;
    let digits = 0;
    let point = -1;
    for (let at = negative ? from + 1 : from; at < to; at++) {
      const byte = bytes[at]!;
      if (byte >= ZERO && byte <= NINE) {
        if (digits < GROUP_DIGITS) high = high * 10 + byte - ZERO;
        else low = low * 10 + byte - ZERO;
        // Zeros in front are no digits.
        if (digits > 0 || byte !== ZERO) digits++;
      } else if (byte === POINT) point = at;
      else throw new UnfitValue(this.column, 'NaN or an infinite number, which no decimal type knows');
    }
    const fraction = point < 0 ? 0 : to - point - 1;
    if (fraction > this.scale || digits > 2 * GROUP_DIGITS || digits - fraction > MAX_DIGITS - this.scale) return this.addLong(bytes.subarray(from, to), fraction);
    const last = this.scale - fraction;
    if (digits > GROUP_DIGITS) {
      this.add(negative ? -low : low, last);
      this.add(negative ? -high : high, last + digits - GROUP_DIGITS);
    } else this.add(negative ? -high : high, last);
  }

  /** Adds a number of units of the last decimal place. */
  addUnits(units: bigint): void {
    this.whole += units;
  }

  toString(): string {
    const units = this.groups.reduce((sum, group, power) => sum + BigInt(group) * 10n ** BigInt(power), this.whole);
    const digits = String(units < 0n ? -units : units).padStart(this.scale + 1, '0');
    const point = digits.length - this.scale;
    return `${units < 0n ? '-' : ''}${digits.slice(0, point)}${this.scale > 0 ? `.${digits.slice(point)}` : ''}`;
  }

  private add(group: number, power: number): void {
    const sum = this.groups[power]! + group;
    if (sum < FULL && sum > -FULL) {
      this.groups[power] = sum;
      return;
    }
    this.whole += BigInt(sum) * 10n ** BigInt(power);
    this.groups[power] = 0;
  }

  private addLong(bytes: Uint8Array, fraction: number): void {
    const text = Buffer.from(bytes).toString('latin1');
    const kept = fraction > this.scale ? text.slice(0, text.length - (fraction - this.scale)) : text;
    if (/[1-9]/.test(text.slice(kept.length))) throw new UnfitValue(this.column, `a number with more than ${this.scale} digits behind the point`);
    const units = BigInt(kept.replace('.', '')) * 10n ** BigInt(Math.max(0, this.scale - fraction));
    if (units >= 10n ** 38n || units <= -(10n ** 38n)) throw new UnfitValue(this.column, `a number too large for DECIMAL(38,${this.scale})`);
    this.whole += units;
  }
}
