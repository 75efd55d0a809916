import { type Fault, isObject, pointerTo, type RateLimit, readRateLimit } from '../../platform/index.js';
import type { Provider } from '../providers/provider.js';

/** The options that every source has; the others are its provider's. */
export interface CommonOptions {
  timestamp_tolerance_seconds: number;
  dedup_ttl_hours: number;
  public_url?: string;
  /** What becomes of an event that the schema of its type refuses: nobody looks, it is stored with a mark, or it is refused. */
  validate: 'off' | 'mark' | 'reject';
  /** How many events it may bring. */
  rate_limit?: RateLimit;
}

export type SourceOptions = CommonOptions & Record<string, unknown>;

const DEFAULTS = { timestamp_tolerance_seconds: 300, dedup_ttl_hours: 72, validate: 'off' } as const;
const VALIDATIONS: unknown[] = ['off', 'mark', 'reject'] satisfies CommonOptions['validate'][];
const MAX_TOLERANCE_SECONDS = 86_400;
const MAX_TTL_HOURS = 24 * 90;
const MAX_BYTES = 16 * 1024;

/** Options that have no faults, with defaults for what is left out. */
export function readOptions({ rate_limit, ...given }: Record<string, unknown>): SourceOptions {
  const limit = readRateLimit(rate_limit) as RateLimit | null;
  return { ...DEFAULTS, ...given, ...(limit && { rate_limit: limit }) };
}

/** What is wrong with the options of a source, pointers into its body. */
export function findOptionFaults(given: unknown, provider: Provider): Fault[] {
  if (!isObject(given)) return [{ pointer: '/options', detail: 'must be an object' }];
  if (JSON.stringify(given).length > MAX_BYTES) return [{ pointer: '/options', detail: `must not be larger than ${MAX_BYTES} bytes` }];
  const { timestamp_tolerance_seconds, dedup_ttl_hours, public_url, validate, rate_limit, ...own } = given;
  const limit = readRateLimit(rate_limit);
  const url = public_url === undefined ? undefined : findUrlFault(public_url);
  const ownFaults = provider.findOptionFaults?.(own) ?? Object.keys(own).map((name) => ({ pointer: pointerTo('', name), detail: `is not known to the provider ${provider.name}` }));
  return [
    ...wholeNumber('timestamp_tolerance_seconds', timestamp_tolerance_seconds, 0, MAX_TOLERANCE_SECONDS),
    ...wholeNumber('dedup_ttl_hours', dedup_ttl_hours, 1, MAX_TTL_HOURS),
    ...(url ? [{ pointer: '/options/public_url', detail: url }] : []),
    ...(validate === undefined || VALIDATIONS.includes(validate) ? [] : [{ pointer: '/options/validate', detail: `must be one of ${VALIDATIONS.join(', ')}` }]),
    ...(Array.isArray(limit) ? limit.map(({ pointer, detail }) => ({ pointer: `/options${pointer}`, detail })) : []),
    ...ownFaults.map(({ pointer, detail }) => ({ pointer: `/options${pointer}`, detail })),
  ];
}

function wholeNumber(name: string, value: unknown, min: number, max: number): Fault[] {
  if (value === undefined || (Number.isInteger(value) && (value as number) >= min && (value as number) <= max)) return [];
  return [{ pointer: `/options/${name}`, detail: `must be a whole number from ${min} to ${max}` }];
}

function findUrlFault(value: unknown): string | undefined {
  if (typeof value !== 'string' || value.length > 2048 || !URL.canParse(value)) return 'must be an absolute URL of at most 2048 characters';
  const { protocol, username, password, hash, search } = new URL(value);
  if (!/^https?:$/.test(protocol)) return 'must be http or https';
  return username || password || hash || search ? 'must not hold credentials, a query or a fragment' : undefined;
}
