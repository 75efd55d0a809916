import { ValidateBy, type ValidationOptions } from 'class-validator';

const RFC3339 = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/;
// A zone can push the last day of 9999 into a year that RFC 3339 cannot write.
const YEAR_9999_END_MS = 253_402_300_799_999;

/** Epoch milliseconds of an RFC 3339 time between 1970 and 9999, or undefined when it is none. */
export function readTime(value: unknown): number | undefined {
  if (typeof value !== 'string' || !RFC3339.test(value)) return undefined;
  const ms = Date.parse(value);
  // 31 February parses in V8 as 3 March: a day that its month does not have is no date.
  const lastDay = new Date(Date.UTC(Number(value.slice(0, 4)), Number(value.slice(5, 7)), 0)).getUTCDate();
  return Number.isNaN(ms) || Number(value.slice(8, 10)) > lastDay || ms < 0 || ms > YEAR_9999_END_MS ? undefined : ms;
}

/** A DTO property that {@link readTime} can read; class-validator's own rule lets days through that do not exist. */
export function IsTime(options?: ValidationOptions): PropertyDecorator {
  return ValidateBy({ name: 'isTime', validator: { validate: (value) => readTime(value) !== undefined, defaultMessage: () => 'must be an RFC 3339 time with a zone, such as 2026-01-31T12:00:00Z' } }, options);
}
