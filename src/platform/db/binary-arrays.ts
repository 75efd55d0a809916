/**
 * Parameters that are arrays, in Postgres's binary format. The text format costs both sides more: every element is quoted and
 * escaped here, and unescaped and parsed there, times and long texts most of all.
 */

const OIDS = { bool: 16, bytea: 17, int4: 23, text: 25, timestamptz: 1184, uuid: 2950 };

/** `text[]`. */
export function textArray(values: readonly (string | null)[]): Buffer {
  const lengths = values.map((value) => (value === null ? -1 : Buffer.byteLength(value)));
  return binaryArray(OIDS.text, lengths, (buffer, at, index) => buffer.write(values[index]!, at));
}

/** `bytea[]`. */
export function byteaArray(values: readonly (Uint8Array | null)[]): Buffer {
  const lengths = values.map((value) => value?.length ?? -1);
  return binaryArray(OIDS.bytea, lengths, (buffer, at, index) => buffer.set(values[index]!, at));
}

/** `bytea[]`, the bytes as pairs of hex digits (of a digest: nothing else is looked for). */
export function hexArray(values: readonly string[]): Buffer {
  const lengths = values.map(({ length }) => length / 2);
  return binaryArray(OIDS.bytea, lengths, (buffer, at, index) => buffer.write(values[index]!, at, 'hex'));
}

/** What a hex digit is worth, by its character code; 255 for what is none. */
const DIGITS = Uint8Array.from({ length: 128 }, (_, code) => ('0123456789abcdef'.indexOf(String.fromCharCode(code).toLowerCase()) + 256) % 256);
/** Where the pairs of digits begin in the text of a UUID. */
const PAIRS = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];

/** `uuid[]`, each written in lower or upper case with its dashes. */
export function uuidArray(values: readonly (string | null)[]): Buffer {
  return binaryArray(OIDS.uuid, values.map((value) => (value === null ? -1 : 16)), (buffer, at, index) => {
    const text = values[index]!;
    PAIRS.forEach((place, byte) => {
      const high = DIGITS[text.charCodeAt(place)] ?? 255;
      const low = DIGITS[text.charCodeAt(place + 1)] ?? 255;
      // Else what stood in the buffer before would be sent.
      if ((high | low) > 15) throw new Error(`${text} is no UUID`);
      buffer[at + byte] = (high << 4) | low;
    });
  });
}

const YEAR_2000_MS = Date.UTC(2000, 0);
const LOW_HALF_RANGE = 2 ** 32;

/** `timestamptz[]`, of whole epoch milliseconds. */
export function timeArray(values: readonly (number | null)[]): Buffer {
  return binaryArray(OIDS.timestamptz, values.map((value) => (value === null ? -1 : 8)), (buffer, at, index) => {
    const ms = values[index]! - YEAR_2000_MS;
    const micros = ms * 1_000;
    if (!Number.isSafeInteger(micros)) return buffer.writeBigInt64BE(BigInt(ms) * 1_000n, at);
    const high = Math.floor(micros / LOW_HALF_RANGE);
    return buffer.writeUInt32BE(micros - high * LOW_HALF_RANGE, buffer.writeInt32BE(high, at));
  });
}

/** `int[]`. */
export function intArray(values: readonly number[]): Buffer {
  return binaryArray(OIDS.int4, values.map(() => 4), (buffer, at, index) => buffer.writeInt32BE(values[index]!, at));
}

/** `boolean[]`. */
export function booleanArray(values: readonly boolean[]): Buffer {
  return binaryArray(OIDS.bool, values.map(() => 1), (buffer, at, index) => buffer.writeUInt8(Number(values[index]!), at));
}

/** A length of -1 stands for null. */
function binaryArray(elementOid: number, lengths: number[], write: (buffer: Buffer, at: number, index: number) => void): Buffer {
  let size = 20;
  let holdsNulls = 0;
  for (const length of lengths) {
    if (length < 0) holdsNulls = 1;
    size += 4 + Math.max(0, length);
  }
  const buffer = Buffer.allocUnsafe(size);
  // Dimensions, a flag for nulls, the element type's oid, then the one dimension's length and lower bound.
  [1, holdsNulls, elementOid, lengths.length, 1].forEach((header, index) => buffer.writeInt32BE(header, 4 * index));
  let at = 20;
  for (let index = 0; index < lengths.length; index++) {
    const length = lengths[index]!;
    at = buffer.writeInt32BE(length, at);
    if (length < 0) continue;
    write(buffer, at, index);
    at += length;
  }
  return buffer;
}
