import type { Fault } from '../errors/problem.js';

/** How much of something may be had: `per_second` on average, `burst` at once. */
export interface RateLimit {
  per_second: number;
  burst: number;
}

const BOUNDS: Record<keyof RateLimit, [least: number, most: number]> = { per_second: [0.001, 10_000], burst: [1, 100_000] };

/** Reads a rate limit from the wire: null for none; `burst` is one second's worth, at least 1, when left out. */
export function readRateLimit(value: unknown): RateLimit | null | Fault[] {
  if (value === undefined || value === null) return null;
  if (typeof value !== 'object' || Array.isArray(value)) return [{ pointer: '/rate_limit', detail: 'must be an object or null' }];
  const faults: Fault[] = [];
  for (const [name, field] of Object.entries(value)) {
    const pointer = `/rate_limit/${name}`;
    if (!Object.hasOwn(BOUNDS, name)) {
      faults.push({ pointer, detail: 'is not known here' });
      continue;
    }
    const [least, most] = BOUNDS[name as keyof RateLimit];
    if (typeof field !== 'number' || !(field >= least && field <= most)) faults.push({ pointer, detail: `must be a number from ${least} to ${most}` });
    else if (name === 'burst' && !Number.isInteger(field)) faults.push({ pointer, detail: 'must be a whole number' });
  }
  if (!Object.hasOwn(value, 'per_second')) faults.push({ pointer: '/rate_limit/per_second', detail: 'is required' });
  if (faults.length > 0) return faults;
  const given = value as { per_second: number; burst?: number };
  return { per_second: given.per_second, burst: given.burst ?? Math.max(1, Math.ceil(given.per_second)) };
}
