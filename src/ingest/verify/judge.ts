import { createHmac, hash, timingSafeEqual } from 'node:crypto';
import type { Refusal, VerifyOptions } from './verify.js';

/** Nobody signs a request more often, and until one fits, whoever sends them is a stranger whose time is ours. */
export const MAX_SIGNATURES = 16;

/** The HMAC over the parts, one behind the other. */
export function hmacOf(algorithm: string, secret: string | Buffer, encoding: 'hex' | 'base64' | 'base64url', ...parts: (string | Buffer)[]): string {
  const hmac = createHmac(algorithm, secret);
  for (const part of parts) hmac.update(part);
  return hmac.digest(encoding);
}

/** Whether one of the signatures given is one of those expected. All pairs are compared, each in constant time; how long a signature is, is no secret. */
export function someFits(given: readonly string[], expected: readonly string[]): boolean {
  const wanted = expected.map((text) => Buffer.from(text));
  let fits = false;
  for (const text of given.map((each) => Buffer.from(each))) {
    for (const other of wanted) fits = (text.length === other.length && timingSafeEqual(text, other)) || fits;
  }
  return fits;
}

/** The verdict on the signatures given; `expected` holds one for each live secret. The time counts only once a signature has fitted: before that it is anybody's. */
export function judge(given: readonly string[], expected: readonly string[], options: VerifyOptions, signedAt?: number): Refusal | undefined {
  if (given.length > MAX_SIGNATURES) return TOO_MANY;
  return someFits(given, expected) ? findStaleness(signedAt, options) : MISMATCH;
}

/** Whether a signed time, in epoch milliseconds, is too far from now, before or after. */
export function findStaleness(signedAt: number | undefined, { toleranceSeconds, now }: VerifyOptions): Refusal | undefined {
  if (signedAt === undefined || toleranceSeconds === 0) return undefined;
  const offMs = now - signedAt;
  if (Math.abs(offMs) <= toleranceSeconds * 1000) return undefined;
  return { reason: 'stale', detail: `was signed ${Math.abs(offMs) / 1000} s ${offMs > 0 ? 'ago' : 'ahead of our clock'}; the tolerance is ${toleranceSeconds} s` };
}

/** Epoch milliseconds of a time in epoch seconds. */
export function secondsOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,11}$/.test(text) ? Number(text) * 1000 : undefined;
}

export function missing(header: string): Refusal {
  return { reason: 'missing', detail: `the header ${header} is missing` };
}

export function malformed(detail: string): Refusal {
  return { reason: 'malformed', detail };
}

export const MISMATCH: Refusal = { reason: 'mismatch', detail: 'no live secret fits' };
export const TOO_MANY = malformed(`holds more than ${MAX_SIGNATURES} signatures`);

/** What is compared in place of a secret itself, so that time does not tell its length either. */
export function digestsOf(texts: readonly string[]): string[] {
  return texts.map((text) => hash('sha256', text, 'hex'));
}
