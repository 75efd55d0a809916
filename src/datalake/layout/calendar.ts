import { DAY_MS, dayOf, readTime } from '../../platform/index.js';

/** What folders are made of, from the outermost. */
export const UNITS = ['year', 'month', 'day'] as const;
export type Unit = (typeof UNITS)[number];

/** A UTC day, `YYYY-MM-DD`: written so, or as the RFC 3339 time at which it begins. Undefined for anything else, and outside 1970 to 9999. */
export function readDay(value: unknown): string | undefined {
  const ms = readTime(typeof value === 'string' && /^\d{4}-\d\d-\d\d$/.test(value) ? `${value}T00:00:00Z` : value);
  return ms === undefined || ms % DAY_MS !== 0 ? undefined : dayOf(ms);
}

export function daysBetween(from: string, to: string): number {
  return (Date.parse(to) - Date.parse(from)) / DAY_MS;
}

/** The day after. */
export function dayAfter(day: string): string {
  return dayOf(Date.parse(day) + DAY_MS);
}

/** What a partition is called: the day, month or year of its rows, as far as there are folders for it; '' where there are none. */
export function partitionOf(day: string, units: readonly Unit[]): string {
  return day.slice(0, [0, 4, 7, 10][units.length]);
}
