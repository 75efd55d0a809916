import { createHash, randomFillSync } from 'node:crypto';

/** The first digit of the fourth group: two bits say which kind of UUID it is, two are random. */
const VARIANTS = '89ab';
const pool = Buffer.alloc(8 * 512);
/** The random bytes in hex, of which each id takes 16 digits. */
let digits = '';
let used = 0;
let lastMs = -1;
/** How an id of that time begins. */
let head = '';
let sequence = 0;

/**
 * A UUID v7 (RFC 9562) for the given time in epoch milliseconds. Within one process ids of the same millisecond grow,
 * by a 12-bit counter in `rand_a`. Past 4,096 in one millisecond the counter starts over: ids stay unique, by 62 random bits.
 */
export function uuidv7(ms: number): string {
  if (ms === lastMs) sequence = (sequence + 1) & 0xfff;
  else {
    lastMs = ms;
    const time = ms.toString(16).padStart(12, '0');
    head = `${time.slice(0, 8)}-${time.slice(8)}-7`;
    sequence = 0;
  }
  if (used === digits.length) {
    digits = randomFillSync(pool).toString('hex');
    used = 0;
  }
  const at = used;
  used += 16;
  return `${head}${(0x1000 + sequence).toString(16).slice(1)}-${VARIANTS[pool[at >> 1]! >> 6]}${digits.slice(at + 1, at + 4)}-${digits.slice(at + 4, at + 16)}`;
}

const V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** The epoch milliseconds inside a UUID v7 written in lower case, or undefined when `id` is none. */
export function timeOfUuidv7(id: string): number | undefined {
  return V7.test(id) ? Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16) : undefined;
}

/** A UUID (version 8) that follows from what it is made of, so that doing the same again finds what was done. */
export function derivedUuid(...seed: unknown[]): string {
  const digest = createHash('sha256').update(JSON.stringify(seed)).digest('hex');
  return `${digest.slice(0, 8)}-${digest.slice(8, 12)}-8${digest.slice(13, 16)}-8${digest.slice(17, 20)}-${digest.slice(20, 32)}`;
}
