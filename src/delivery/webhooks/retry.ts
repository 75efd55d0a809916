import type { Fault } from '../../platform/index.js';

/** When to try again. `max_retries` counts after the first attempt, so `max_retries: 3` means four attempts at most. */
export interface RetryPolicy {
  max_retries: number;
  base_seconds: number;
  factor: number;
  max_seconds: number;
  /** Full jitter: wait a random time between nothing and the nominal wait. */
  jitter: boolean;
}

/** 5 s, 30 s and 180 s nominal. */
export const DEFAULT_POLICY: RetryPolicy = { max_retries: 3, base_seconds: 5, factor: 6, max_seconds: 180, jitter: true };

/** `"durable"`: 141 hours nominal, which full jitter halves to about three days. */
export const DURABLE_POLICY: RetryPolicy = { max_retries: 18, base_seconds: 30, factor: 3, max_seconds: 43_200, jitter: true };

/** A receiver that asks for more patience than this gets this much. */
const LONGEST_RETRY_AFTER_MS = 86_400_000;

/**
 * Milliseconds to wait after the attempt number `tries` (1-based, counted since the delivery was made or redriven) failed;
 * undefined when the policy has no retry left. A receiver's Retry-After can lengthen a wait, never shorten one.
 */
export function nextWaitMs(policy: RetryPolicy, tries: number, retryAfterMs = 0, random = Math.random): number | undefined {
  if (tries > policy.max_retries) return undefined;
  const nominal = Math.min(policy.base_seconds * policy.factor ** (tries - 1), policy.max_seconds) * 1000;
  const wait = policy.jitter ? random() * nominal : nominal;
  return Math.round(Math.max(wait, Math.min(retryAfterMs, LONGEST_RETRY_AFTER_MS)));
}

/** The wait a `Retry-After` header asks for, in milliseconds: it holds seconds or an HTTP date. 0 when there is none. */
export function readRetryAfter(header: string | string[] | undefined, now: number): number {
  const value = (Array.isArray(header) ? header[0] : header)?.trim() ?? '';
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000;
  // An HTTP date begins with the day's name; Date.parse alone would take "-5" for a month.
  const at = /^[A-Z][a-z]{2}/.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(at) ? 0 : Math.max(0, at - now);
}

const BOUNDS: Record<Exclude<keyof RetryPolicy, 'jitter'>, [least: number, most: number]> = {
  max_retries: [0, 20],
  base_seconds: [0, 86_400],
  factor: [1, 100],
  max_seconds: [0, 86_400],
};

/** Reads a policy from the wire: `"durable"`, or any of the fields, the others as in the default. */
export function readRetryPolicy(value: unknown): RetryPolicy | Fault[] {
  if (value === undefined) return DEFAULT_POLICY;
  if (value === 'durable') return DURABLE_POLICY;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [{ pointer: '/retry_policy', detail: 'must be "durable" or an object' }];
  const faults: Fault[] = [];
  for (const [name, field] of Object.entries(value)) {
    const pointer = `/retry_policy/${name}`;
    if (name === 'jitter') {
      if (typeof field !== 'boolean') faults.push({ pointer, detail: 'must be true or false' });
    } else if (Object.hasOwn(BOUNDS, name)) {
      const [least, most] = BOUNDS[name as keyof typeof BOUNDS];
      if (typeof field !== 'number' || field < least || field > most) faults.push({ pointer, detail: `must be a number from ${least} to ${most}` });
      else if (name === 'max_retries' && !Number.isInteger(field)) faults.push({ pointer, detail: 'must be a whole number' });
    } else {
      faults.push({ pointer, detail: 'is not known here' });
    }
  }
  if (faults.length > 0) return faults;
  const given = value as Partial<RetryPolicy>;
  // A long first wait is meant, even where the default's ceiling lies below it.
  return { ...DEFAULT_POLICY, max_seconds: Math.max(DEFAULT_POLICY.max_seconds, given.base_seconds ?? 0), ...given };
}
