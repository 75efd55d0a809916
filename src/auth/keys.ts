import { hash, randomInt } from 'node:crypto';
import { crc32 } from 'node:zlib';

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const SHAPE = /^lh_live_([0-9a-f]{32})_([0-9A-Za-z]{32})([0-9A-Za-z]{6})$/;

/**
 * Makes an API key `lh_live_<key id>_<secret><checksum>`: the id is the UUID without dashes, the secret 32 base62
 * characters (190 bits), the checksum the CRC-32 of everything before it in base62, so that a typo is found without asking
 * the database.
 */
export function makeKey(keyId: string): string {
  const secret = Array.from({ length: 32 }, () => BASE62[randomInt(62)]).join('');
  const body = `lh_live_${keyId.replaceAll('-', '')}_${secret}`;
  return body + checksum(body);
}

/** The key id inside a key of ours, or undefined when the text is no such key or mistyped. */
export function keyIdOf(key: string): string | undefined {
  const match = SHAPE.exec(key);
  if (!match || checksum(key.slice(0, -6)) !== match[3]) return undefined;
  const hex = match[1]!;
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** What is stored of a key. A fast hash suffices: 190 random bits cannot be guessed. */
export function digestOf(key: string): Buffer {
  // By way of a text: a buffer of its own for each digest costs more than the hashing.
  return Buffer.from(hash('sha256', key), 'hex');
}

/** Enough of a key to recognise it by. */
export function hintOf(key: string): string {
  return `…${key.slice(-4)}`;
}

function checksum(text: string): string {
  let rest = crc32(text);
  let digits = '';
  for (let at = 0; at < 6; at++) {
    digits = BASE62[rest % 62] + digits;
    rest = Math.floor(rest / 62);
  }
  return digits;
}
