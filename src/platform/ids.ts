import { createHash, randomFillSync } from 'node:crypto';

const pool = Buffer.alloc(8 * 512);
let used = pool.length;
let lastMs = 0;
let sequence = 0;

/**
 * A UUID v7 (RFC 9562) for the given time in epoch milliseconds. Within one process ids of the same millisecond grow,
 * by a 12-bit counter in `rand_a`. Past 4,096 in one millisecond the counter starts over: ids stay unique, by 62 random bits.
 */
export function uuidv7(ms: number): string {
  if (ms === lastMs) sequence = (sequence + 1) & 0xfff;
  else {
    lastMs = ms;
    sequence = 0;
  }
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const time = ms.toString(16).padStart(12, '0');
  const variant = ((pool[used]! & 0x3f) | 0x80).toString(16);
  const tail = pool.toString('hex', used + 1, used + 8);
  used += 8;
  return `${time.slice(0, 8)}-${time.slice(8)}-7${sequence.toString(16).padStart(3, '0')}-${variant}${tail.slice(0, 2)}-${tail.slice(2)}`;
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
