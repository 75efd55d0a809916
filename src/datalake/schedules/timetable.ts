import { DAY_MS, dayOf, type Fault } from '../../platform/index.js';
import { cronWalls, findCronFault } from './cron.js';
import { isZone, latestWall, momentOf, wallOf } from './zone.js';

export const CADENCES = ['daily', 'weekly', 'monthly'] as const;
/** As weeks begin. */
export const WEEKDAYS = ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday'] as const;
export const WINDOWS = ['previous_period', 'all'] as const;

/** What a process that recorded a row in the last moment of a day may need to commit it. */
const SETTLED_MS = 60_000;
/** No cost is older, none lies further ahead. */
const FIRST_DAY = '2000-01-01';
const AHEAD_DAYS = 367;

/** When a schedule is due, and what it exports then. */
export interface Timetable {
  /** One of CADENCES, or a cron expression. */
  cadence: string;
  /** `HH:MM` in the zone. Midnight, when null. Null for cron. */
  at: string | null;
  /** Of a weekly one; Monday, when null. */
  weekday: string | null;
  /** Of a monthly one; the first, when null. A month without it has its last day instead. */
  day_of_month: number | null;
  timezone: string;
  window: string;
}

/** UTC days, from the first to before the last. */
export interface Days {
  from: string;
  to: string;
}

/** What is wrong with a timetable whose fields have their types. */
export function findTimetableFaults({ cadence, at, weekday, day_of_month, timezone }: Timetable): Fault[] {
  const known = (CADENCES as readonly string[]).includes(cadence);
  const cron = known ? undefined : findCronFault(cadence);
  return [
    ...(cron === undefined ? [] : [{ pointer: '/cadence', detail: cron }]),
    ...(at !== null && !known ? [{ pointer: '/at', detail: 'must be left out: the cron expression says when' }] : []),
    ...(weekday !== null && cadence !== 'weekly' ? [{ pointer: '/weekday', detail: 'is about weekly schedules only' }] : []),
    ...(day_of_month !== null && cadence !== 'monthly' ? [{ pointer: '/day_of_month', detail: 'is about monthly schedules only' }] : []),
    ...(isZone(timezone) ? [] : [{ pointer: '/timezone', detail: 'must be a time zone of the IANA database, such as Europe/Berlin' }]),
  ];
}

/** The first time after an instant at which it is due. Undefined when there is none. */
export function dueAfter(timetable: Timetable, instant: number): number | undefined {
  for (const wall of walls(timetable, wallOf(instant, timetable.timezone), 'next')) {
    const due = momentOf(wall, timetable.timezone);
    if (due > instant) return due;
  }
  return undefined;
}

/** The last time before an instant at which it was due. */
export function dueBefore(timetable: Timetable, instant: number): number | undefined {
  for (const wall of walls(timetable, latestWall(instant, timetable.timezone) + 1, 'prev')) {
    const due = momentOf(wall, timetable.timezone);
    if (due < instant) return due;
  }
  return undefined;
}

/**
 * Which of the times up to `now` is to be run, of those since the one that is `due`. Everything is in the last export of everything, so the
 * ones before it are not missed.
 */
export function dueNow(timetable: Timetable, due: number, now: number): number {
  return timetable.window === 'all' ? Math.max(due, dueBefore(timetable, now + 1) ?? due) : due;
}

/**
 * What is due once `due` has been run. Of times that were missed there is one per day to make up for, the first: it covers the days of the others.
 */
export function dueNext(timetable: Timetable, due: number, now: number): number | undefined {
  const next = dueAfter(timetable, due);
  if (next === undefined || next > now) return next;
  const { timezone } = timetable;
  const nextDay = momentOf(startOfDay(wallOf(due, timezone)) + DAY_MS, timezone);
  return dueAfter(timetable, nextDay <= now ? nextDay - 1 : now);
}

/**
 * The days that a schedule exports when it is due: of the zone's calendar, taken as the UTC days of the same dates. The previous month or week
 * (Monday to Sunday); for daily and cron the days since it was due before, at the least the previous one, so that nothing is left out.
 */
export function daysAt(timetable: Timetable, due: number): Days {
  const { window, cadence, timezone } = timetable;
  if (window === 'all') return { from: FIRST_DAY, to: dayOf(due + AHEAD_DAYS * DAY_MS) };
  const today = startOfDay(wallOf(due, timezone));
  if (cadence === 'monthly') return { from: dayOf(startOfMonth(today, -1)), to: dayOf(startOfMonth(today)) };
  if (cadence === 'weekly') return { from: dayOf(startOfWeek(today) - 7 * DAY_MS), to: dayOf(startOfWeek(today)) };
  const before = dueBefore(timetable, due);
  return { from: dayOf(Math.min(today - DAY_MS, before === undefined ? today : wallOf(before, timezone))), to: dayOf(today) };
}

/** When what is due can start: its days must be over in UTC too, which west and east of Greenwich is later or earlier than in the zone. */
export function startOf({ window }: Timetable, due: number, { to }: Days): number {
  return window === 'all' ? due : Math.max(due, Date.parse(to) + SETTLED_MS);
}

/** The days that a run exports that was due and starts now. Everything is all there is by now, however long that has been waited for. */
export function daysOfDue(timetable: Timetable, due: number, now: number): Days {
  return daysAt(timetable, timetable.window === 'all' ? now : due);
}

/** The days that a run out of turn exports: the last period that is over by now, for cron that of the last time it was due. */
export function daysNow(timetable: Timetable, now: number): Days {
  if (timetable.window === 'all') return daysAt(timetable, now);
  const isCron = !(CADENCES as readonly string[]).includes(timetable.cadence);
  const at = (instant: number): Days => daysAt(timetable, isCron ? (dueBefore(timetable, instant + 1) ?? instant) : instant);
  const days = at(now);
  // East of Greenwich the zone is a day ahead of UTC for some hours.
  return Date.parse(days.to) <= now ? days : at(now - DAY_MS);
}

function walls({ cadence, at, weekday, day_of_month }: Timetable, from: number, direction: 'next' | 'prev'): Iterable<number> {
  const [hours, minutes] = (at ?? '00:00').split(':').map(Number);
  const time = hours! * 3_600_000 + minutes! * 60_000;
  switch (cadence) {
    case 'daily': return periods(from, direction, (n) => startOfDay(from) + n * DAY_MS + time);
    case 'weekly': return periods(from, direction, (n) => startOfWeek(from) + (7 * n + WEEKDAYS.indexOf((weekday ?? 'monday') as typeof WEEKDAYS[number])) * DAY_MS + time);
    case 'monthly': return periods(from, direction, (n) => Math.min(startOfMonth(from, n) + ((day_of_month ?? 1) - 1) * DAY_MS, startOfMonth(from, n + 1) - DAY_MS) + time);
    default: return cronWalls(cadence, from, direction);
  }
}

/** The times of the periods after `from`, or before it with the latest first. `timeOf(0)` is in the period of `from`. */
function* periods(from: number, direction: 'next' | 'prev', timeOf: (n: number) => number): Generator<number> {
  const step = direction === 'next' ? 1 : -1;
  for (let n = 0; ; n += step) {
    const wall = timeOf(n);
    if ((wall - from) * step > 0) yield wall;
  }
}

function startOfDay(wall: number): number {
  return wall - (((wall % DAY_MS) + DAY_MS) % DAY_MS);
}

function startOfWeek(wall: number): number {
  return startOfDay(wall) - ((new Date(wall).getUTCDay() + 6) % 7) * DAY_MS;
}

function startOfMonth(wall: number, months = 0): number {
  const date = new Date(wall);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + months, 1);
}
