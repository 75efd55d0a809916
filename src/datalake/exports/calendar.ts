import { readTime } from '../../platform/index.js';

const DAY_MS = 86_400_000;

/** What folders are made of, from the outermost. */
export const UNITS = ['year', 'month', 'day'] as const;
export type Unit = (typeof UNITS)[number];

/** Days that one export may span, a century: days without rows cost nothing, so "all there is" may be written as one range. */
export const MAX_DAYS = 36_525;

/** A UTC day, `YYYY-MM-DD`: written so, or as the RFC 3339 time at which it begins. Undefined for anything else, and outside 1970 to 9999. */
export function readDay(value: unknown): string | undefined {
  const ms = readTime(typeof value === 'string' && /^\d{4}-\d\d-\d\d$/.test(value) ? `${value}T00:00:00Z` : value);
  return ms === undefined || ms % DAY_MS !== 0 ? undefined : new Date(ms).toISOString().slice(0, 10);
}

export function daysBetween(from: string, to: string): number {
  return (Date.parse(to) - Date.parse(from)) / DAY_MS;
}

/** The day after. */
export function dayAfter(day: string): string {
  return new Date(Date.parse(day) + DAY_MS).toISOString().slice(0, 10);
}

/** What a partition is called: the day, month or year of its rows, as far as there are folders for it; '' where there are none. */
export function partitionOf(day: string, units: readonly Unit[]): string {
  return day.slice(0, [0, 4, 7, 10][units.length]);
}
