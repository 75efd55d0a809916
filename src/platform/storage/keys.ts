const MAX_BYTES = 900;
/** What Linux and macOS take as a name. */
const MAX_NAME_BYTES = 255;

/**
 * What is wrong with a key, in words. One that passes names the same thing in a bucket and below a folder, and leads out of
 * neither: names divided by single slashes, none of them `.` or `..`.
 */
export function findKeyFault(key: string): string | undefined {
  if (key === '') return 'must not be empty';
  if (Buffer.byteLength(key) > MAX_BYTES) return `must not be longer than ${MAX_BYTES} bytes`;
  if (!key.isWellFormed() || /[\x00-\x1f\x7f\\]/.test(key)) return 'must not hold a backslash or control characters';
  for (const name of key.split('/')) {
    if (name === '') return 'must not begin or end with a slash, or hold two in a row';
    if (name === '.' || name === '..') return 'must not hold the names `.` and `..`';
    if (Buffer.byteLength(name) > MAX_NAME_BYTES) return `must not hold a name longer than ${MAX_NAME_BYTES} bytes`;
  }
  return undefined;
}

/** Throws on a key that {@link findKeyFault} finds fault with: keys are made by us, so that is a bug. */
export function requireKey(key: string): string {
  const fault = findKeyFault(key);
  if (fault) throw new Error(`${JSON.stringify(key)} is no key: it ${fault}`);
  return key;
}

/** The same for the beginning of keys, which may be empty, end with a slash or in the middle of a name. */
export function requirePrefix(prefix: string): string {
  if (prefix !== '') requireKey(prefix.endsWith('/') ? prefix.slice(0, -1) : prefix);
  return prefix;
}

/** In the order in which buckets list them, that of their bytes. */
export function inKeyOrder(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
