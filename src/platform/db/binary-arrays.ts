/**
 * Parameters that are arrays, in Postgres's binary format. The text format costs both sides more: every element is quoted and
 * escaped here, and unescaped and parsed there, times and long texts most of all.
 */

const OIDS = { bytea: 17, text: 25, timestamptz: 1184, uuid: 2950 };

/** `text[]`. */
export function textArray(values: readonly string[]): Buffer {
  const lengths = values.map((value) => Buffer.byteLength(value));
  return binaryArray(OIDS.text, lengths, false, (buffer, at, index) => buffer.write(values[index]!, at));
}

/** `bytea[]`. */
export function byteaArray(values: readonly (Uint8Array | null)[]): Buffer {
  const lengths = values.map((value) => value?.length ?? -1);
  return binaryArray(OIDS.bytea, lengths, true, (buffer, at, index) => buffer.set(values[index]!, at));
}

/** `bytea[]`, the bytes as pairs of hex digits (of a digest: nothing else is looked for). */
export function hexArray(values: readonly string[]): Buffer {
  const lengths = values.map(({ length }) => length / 2);
  return binaryArray(OIDS.bytea, lengths, false, (buffer, at, index) => buffer.write(values[index]!, at, 'hex'));
}

/** `uuid[]`, each written in lower or upper case with its dashes. */
export function uuidArray(values: readonly string[]): Buffer {
  return binaryArray(OIDS.uuid, values.map(() => 16), false, (buffer, at, index) => {
    // Written short, what stood in the buffer before would be sent.
    if (buffer.write(values[index]!.replaceAll('-', ''), at, 16, 'hex') !== 16) throw new Error(`${values[index]} is no UUID`);
  });
}

const YEAR_2000_MS = Date.UTC(2000, 0);
const LOW_HALF_RANGE = 2 ** 32;

/** `timestamptz[]`, of epoch milliseconds. */
export function timeArray(values: readonly number[]): Buffer {
  return binaryArray(OIDS.timestamptz, values.map(() => 8), false, (buffer, at, index) => {
    const micros = (values[index]! - YEAR_2000_MS) * 1_000;
    const high = Math.floor(micros / LOW_HALF_RANGE);
    buffer.writeUInt32BE(micros - high * LOW_HALF_RANGE, buffer.writeInt32BE(high, at));
  });
}

/** A length of -1 stands for null. */
function binaryArray(elementOid: number, lengths: number[], mayHoldNulls: boolean, write: (buffer: Buffer, at: number, index: number) => void): Buffer {
  let size = 20;
  for (const length of lengths) size += 4 + Math.max(0, length);
  const buffer = Buffer.allocUnsafe(size);
  // Dimensions, a flag for nulls, the element type's oid, then the one dimension's length and lower bound.
  [1, Number(mayHoldNulls), elementOid, lengths.length, 1].forEach((header, index) => buffer.writeInt32BE(header, 4 * index));
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
