import { createHash } from 'node:crypto';

/** Where the key stands in an event: a dotted path that begins with `data` or `metadata`. */
export const ORDER_PATH = /^(data|metadata)(\.[^.\0]{1,100}){1,10}$/;

const LONGEST_KEY = 200;

/**
 * The key that decides which line an event stands in, from its parsed `data` and `metadata`. Texts and numbers count as
 * written in JSON without quotes; an event without a value there stands in the line of the empty key, as all events do when there
 * is no path. A long key is replaced by its hash, so that it fits an index.
 */
export function orderKeyOf(path: string | null, event: { data: unknown; metadata: unknown }): string {
  if (path === null) return '';
  let value: unknown = event;
  for (const name of path.split('.')) value = typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined;
  if (value === undefined || value === null) return '';
  const key = (typeof value === 'string' ? value : JSON.stringify(value)).replaceAll('\0', '\uFFFD');
  return Buffer.byteLength(key) > LONGEST_KEY ? createHash('sha256').update(key).digest('hex') : key;
}
