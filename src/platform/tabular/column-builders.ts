import { Bool, type Data, type DataType, DateDay, Decimal, Float64, Int64, makeData, TimestampMicrosecond, Utf8 } from 'apache-arrow';
import { DecimalSum } from './decimal-sum.js';
import { NeedsPrecision, type Precision } from './precision.js';
import { type Column, UnfitValue } from './table.js';

/**
 * A column of one batch, built in Arrow's own buffers from the binary fields of COPY (big-endian, as the `send` functions of the
 * types write them). `append` for the field of `length` bytes at `at`.
 */
export interface ColumnBuilder {
  readonly type: DataType;
  append(bytes: Buffer, at: number, length: number): void;
  appendNull(): void;
  /** The column so far, as views: good until `clear`. */
  data(): Data;
  clear(): void;
  /** Bytes of texts so far: what may make a batch large. */
  readonly textBytes: number;
}

export function builderOf(column: Column, capacity: number, precision: Precision): ColumnBuilder {
  const { name, type } = column;
  if (typeof type === 'object') return new DecimalBuilder(name, capacity, type.decimal, precision);
  switch (type) {
    case 'text': case 'json': return new TextBuilder(capacity);
    case 'uuid': return new UuidBuilder(capacity);
    case 'integer': return new WordBuilder(capacity, new Int64());
    case 'double': return new WordBuilder(capacity, new Float64());
    case 'timestamp': return new TimestampBuilder(capacity, name);
    case 'boolean': return new BooleanBuilder(capacity);
    case 'date': return new DateBuilder(capacity, name);
  }
}

/** Counts rows and keeps the bitmap of those that are not null. */
abstract class Builder {
  protected rows = 0;
  private nulls = 0;
  private readonly validity: Uint8Array;
  textBytes = 0;

  constructor(readonly type: DataType, capacity: number) {
    this.validity = new Uint8Array(((capacity >> 3) + 8) & ~7).fill(255);
  }

  appendNull(): void {
    this.validity[this.rows >> 3]! &= ~(1 << (this.rows & 7));
    this.nulls++;
    this.rows++;
  }

  clear(): void {
    this.rows = 0;
    if (this.nulls > 0) this.validity.fill(255);
    this.nulls = 0;
    this.textBytes = 0;
  }

  protected make(buffers: { data: ArrayBufferView; valueOffsets?: Int32Array }): Data {
    return makeData({ type: this.type, length: this.rows, nullCount: this.nulls, nullBitmap: this.nulls > 0 ? this.validity.subarray(0, (this.rows + 7) >> 3) : undefined, ...buffers } as never);
  }
}

class TextBuilder extends Builder implements ColumnBuilder {
  protected values: Uint8Array;
  protected readonly offsets: Int32Array;

  constructor(capacity: number) {
    super(new Utf8(), capacity);
    this.values = new Uint8Array(32 * capacity);
    this.offsets = new Int32Array(capacity + 1);
  }

  append(bytes: Buffer, at: number, length: number): void {
    const { values } = this.room(length);
    let into = this.textBytes;
    // A short text is copied faster by hand than by a call.
    if (length <= 48) for (const end = at + length; at < end; ) values[into++] = bytes[at++]!;
    else values.set(bytes.subarray(at, at + length), into);
    this.grown(length);
  }

  override appendNull(): void {
    super.appendNull();
    this.offsets[this.rows] = this.textBytes;
  }

  data(): Data {
    return this.make({ data: this.values.subarray(0, this.textBytes), valueOffsets: this.offsets.subarray(0, this.rows + 1) });
  }

  protected room(length: number): this {
    if (this.textBytes + length > this.values.length) {
      const larger = new Uint8Array(Math.max(2 * this.values.length, this.textBytes + length));
      larger.set(this.values.subarray(0, this.textBytes));
      this.values = larger;
    }
    return this;
  }

  protected grown(length: number): void {
    this.textBytes += length;
    this.offsets[++this.rows] = this.textBytes;
  }
}

const HEX = Buffer.from('0123456789abcdef');

/** As text, lower-case with dashes: a type of its own is not understood everywhere. */
class UuidBuilder extends TextBuilder {
  override append(bytes: Buffer, at: number): void {
    const { values } = this.room(36);
    let into = this.textBytes;
    for (let index = 0; index < 16; index++) {
      const byte = bytes[at + index]!;
      if (index === 4 || index === 6 || index === 8 || index === 10) values[into++] = 0x2d;
      values[into++] = HEX[byte >> 4]!;
      values[into++] = HEX[byte & 15]!;
    }
    this.grown(36);
  }
}

/** Eight bytes as they are, turned round: a bigint or a float8. */
class WordBuilder extends Builder implements ColumnBuilder {
  /** Two words a row, the low one first. */
  protected readonly words: Int32Array;

  constructor(capacity: number, type: DataType) {
    super(type, capacity);
    this.words = new Int32Array(2 * capacity);
  }

  append(bytes: Buffer, at: number): void {
    const into = 2 * this.rows++;
    this.words[into] = readInt32(bytes, at + 4);
    this.words[into + 1] = readInt32(bytes, at);
  }

  data(): Data {
    const { buffer } = this.words;
    return this.make({ data: this.type instanceof Float64 ? new Float64Array(buffer, 0, this.rows) : new BigInt64Array(buffer, 0, this.rows) });
  }
}

/** From Postgres's epoch, 2000-01-01, to that of Unix, in microseconds: high and low word. */
const EPOCH_MICROS = 946_684_800_000_000;
const EPOCH_HIGH = Math.floor(EPOCH_MICROS / 2 ** 32);
const EPOCH_LOW = EPOCH_MICROS % 2 ** 32;

class TimestampBuilder extends WordBuilder {
  constructor(capacity: number, private readonly name: string) {
    super(capacity, new TimestampMicrosecond('UTC'));
  }

  override append(bytes: Buffer, at: number): void {
    const high = readInt32(bytes, at);
    const low = (readInt32(bytes, at + 4) >>> 0) + EPOCH_LOW;
    const sum = high + EPOCH_HIGH + (low >= 2 ** 32 ? 1 : 0);
    // What Postgres has for infinity is the largest and the smallest number there is.
    if (sum > 0x7fffffff || (high === -0x80000000 && readInt32(bytes, at + 4) === 0)) throw new UnfitValue(this.name, 'an infinite time, which Parquet does not know');
    const into = 2 * this.rows++;
    this.words[into] = low;
    this.words[into + 1] = sum;
  }
}

const EPOCH_DAYS = 10_957;

class DateBuilder extends Builder implements ColumnBuilder {
  private readonly days: Int32Array;

  constructor(capacity: number, private readonly name: string) {
    super(new DateDay(), capacity);
    this.days = new Int32Array(capacity);
  }

  append(bytes: Buffer, at: number): void {
    const days = readInt32(bytes, at);
    if (days === 0x7fffffff || days === -0x80000000) throw new UnfitValue(this.name, 'an infinite date, which Parquet does not know');
    this.days[this.rows++] = days + EPOCH_DAYS;
  }

  data(): Data {
    return this.make({ data: this.days.subarray(0, this.rows) });
  }
}

class BooleanBuilder extends Builder implements ColumnBuilder {
  private readonly bits: Uint8Array;

  constructor(capacity: number) {
    super(new Bool(), capacity);
    this.bits = new Uint8Array(((capacity >> 3) + 8) & ~7);
  }

  append(bytes: Buffer, at: number): void {
    if (bytes[at] !== 0) this.bits[this.rows >> 3]! |= 1 << (this.rows & 7);
    this.rows++;
  }

  data(): Data {
    return this.make({ data: this.bits.subarray(0, (this.rows + 7) >> 3) });
  }

  override clear(): void {
    super.clear();
    this.bits.fill(0);
  }
}

/** 10^18 and 10^38 in words, the highest first: the first numbers that do not fit. */
const LIMITS: Record<Precision, number[]> = { 18: wordsOf(10n ** 18n), 38: wordsOf(10n ** 38n) };
const POWERS = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000];
const WORD = 2 ** 32;

/**
 * `numeric` comes as digits to the base of 10,000 and leaves as a 128-bit number of units of the last decimal place. The arithmetic
 * is done in four words held by doubles: no digit is lost and nothing is allocated.
 */
export class DecimalBuilder extends Builder implements ColumnBuilder {
  readonly sum: DecimalSum;
  private readonly words: Int32Array;
  private readonly limit: number[];
  private a = 0;
  private b = 0;
  private c = 0;
  private d = 0;

  constructor(private readonly name: string, capacity: number, private readonly scale: number, private readonly precision: Precision) {
    super(new Decimal(scale, precision, 128), capacity);
    this.words = new Int32Array(4 * capacity);
    this.limit = LIMITS[precision];
    this.sum = new DecimalSum(name, scale);
  }

  append(bytes: Buffer, at: number): void {
    const count = readInt16(bytes, at);
    const sign = readInt16(bytes, at + 4);
    if ((sign & 0xc000) === 0xc000) throw new UnfitValue(this.name, 'NaN or an infinite number, which no decimal type knows');
    // The power of ten of the unit that the last group of digits counts, in units of the last decimal place.
    let power = 4 * readInt16(bytes, at + 2) + this.scale + 4;
    this.a = this.b = this.c = this.d = 0;
    for (let index = 0; index < count; index++) {
      const digits = readInt16(bytes, at + 8 + 2 * index);
      power -= 4;
      if (power >= 0) this.shift(10_000, digits);
      else {
        const cut = power <= -4 ? 0 : POWERS[4 + power]!;
        const rest = cut === 0 ? digits : digits % (10_000 / cut);
        if (rest !== 0) throw new UnfitValue(this.name, `a number with more than ${this.scale} digits behind the point`);
        if (cut !== 0) this.shift(cut, (digits * cut) / 10_000);
      }
    }
    if (count === 0) power = 0;
    for (; power >= 6; power -= 6) this.shift(1_000_000, 0);
    if (power > 0) this.shift(POWERS[power]!, 0);
    if (!this.fits()) throw this.precision === 18 ? new NeedsPrecision(this.name) : new UnfitValue(this.name, `a number too large for DECIMAL(38,${this.scale})`);
    this.store(sign !== 0);
  }

  data(): Data {
    return this.make({ data: this.words.subarray(0, 4 * this.rows) });
  }

  override appendNull(): void {
    this.words.fill(0, 4 * this.rows, 4 * this.rows + 4);
    super.appendNull();
  }

  override clear(): void {
    this.addUp();
    super.clear();
  }

  /** Times `factor`, at most 2^20, plus `digits`. What is beyond four words shows as a `d` beyond its own. */
  private shift(factor: number, digits: number): void {
    let value = this.a * factor + digits;
    let carry = Math.floor(value / WORD);
    this.a = value - carry * WORD;
    if (carry === 0 && this.b === 0 && this.c === 0 && this.d === 0) return;
    value = this.b * factor + carry;
    carry = Math.floor(value / WORD);
    this.b = value - carry * WORD;
    if (carry === 0 && this.c === 0 && this.d === 0) return;
    value = this.c * factor + carry;
    carry = Math.floor(value / WORD);
    this.c = value - carry * WORD;
    this.d = this.d * factor + carry;
  }

  private fits(): boolean {
    const [d, c, b, a] = this.limit as [number, number, number, number];
    if (this.d !== d) return this.d < d;
    if (this.c !== c) return this.c < c;
    if (this.b !== b) return this.b < b;
    return this.a < a;
  }

  private store(negative: boolean): void {
    const { words } = this;
    const into = 4 * this.rows++;
    words[into] = this.a;
    words[into + 1] = this.b;
    words[into + 2] = this.c;
    words[into + 3] = this.d;
    if (!negative) return;
    // Two's complement.
    let carry = 1;
    for (let index = into; index < into + 4; index++) {
      const value = (~words[index]! >>> 0) + carry;
      carry = value === WORD ? 1 : 0;
      words[index] = value;
    }
  }

  private addUp(): void {
    const { words } = this;
    let a = 0, b = 0, c = 0, d = 0;
    for (let at = 0; at < 4 * this.rows; at += 4) {
      a += words[at]! >>> 0;
      b += words[at + 1]! >>> 0;
      c += words[at + 2]! >>> 0;
      d += words[at + 3]!;
    }
    this.sum.addUnits(BigInt(a) + (BigInt(b) << 32n) + (BigInt(c) << 64n) + (BigInt(d) << 96n));
  }
}

function wordsOf(value: bigint): number[] {
  return [96n, 64n, 32n, 0n].map((shift) => Number((value >> shift) & 0xffffffffn));
}

function readInt32(bytes: Buffer, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}

/** With its sign. */
function readInt16(bytes: Buffer, at: number): number {
  return ((bytes[at]! << 24) >> 16) | bytes[at + 1]!;
}
