/** Bytes of a file, both ends included. */
export interface ByteRange {
  start: number;
  end: number;
}

/**
 * The one range that a `Range` header asks for, of a file of `bytes` bytes (RFC 9110, 14). `whole` is what anything else is answered
 * with that may be passed over: another unit, a malformed range, and several at once, which no client needs to go on with a file.
 */
export function readRange(header: string | undefined, bytes: number): ByteRange | 'whole' | 'unsatisfiable' {
  const [, first, last] = /^bytes=[ \t,]*(\d*)-(\d*)[ \t,]*$/i.exec(header ?? '') ?? [];
  if (first === undefined || last === undefined || first + last === '') return 'whole';
  if (first === '') return Number(last) === 0 || bytes === 0 ? 'unsatisfiable' : { start: Math.max(0, bytes - Number(last)), end: bytes - 1 };
  if (last !== '' && Number(last) < Number(first)) return 'whole';
  return Number(first) >= bytes ? 'unsatisfiable' : { start: Number(first), end: last === '' ? bytes - 1 : Math.min(Number(last), bytes - 1) };
}

/** Whether an etag, with its quotes, is among those of an `If-None-Match`. `*` is any. */
export function isNamed(header: string | undefined, etag: string): boolean {
  return header?.trim() === '*' || (header?.match(/"[^"]*"/g)?.includes(etag) ?? false);
}

/** Whether a range is wanted of this very file: `If-Range` names its etag, or is absent. Times are passed over, so that one means the whole file. */
export function wantsPart(ifRange: string | undefined, etag: string): boolean {
  return ifRange === undefined || ifRange.trim() === etag;
}
