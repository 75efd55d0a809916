import { DAY_MS } from '../../platform/index.js';

/** Per zone what writes its offset: making one costs more than all that is asked of it. There are some hundred zones, each of which may be written in any case. */
const formats = new Map<string, Intl.DateTimeFormat>();

/** Whether this is a time zone of the IANA database, such as `Europe/Berlin`. An offset is none: it knows no summer. */
export function isZone(name: string): boolean {
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    return formatOf(name) !== undefined;
  } catch {
    return false;
  }
}

/**
 * What the zone's clocks show at an instant. Wall times are written as the epoch milliseconds at which UTC's clocks show the same, so that
 * days and months are counted on them without any zone.
 */
export function wallOf(instant: number, zone: string): number {
  return instant + offsetAt(instant, zone);
}

/**
 * The first instant at which the zone's clocks show this wall time or a later one. So a time that is skipped when clocks go forward comes as
 * soon as they have, one that is shown twice comes the first time, and of two wall times the later never comes first.
 */
export function momentOf(wall: number, zone: string): number {
  const shows = [offsetAt(wall - DAY_MS, zone), offsetAt(wall + DAY_MS, zone)].map((offset) => wall - offset).filter((instant) => wallOf(instant, zone) === wall);
  if (shows.length > 0) return Math.min(...shows);
  let [before, since] = [wall - DAY_MS, wall + DAY_MS];
  while (since - before > 1) {
    const middle = Math.floor((before + since) / 2);
    if (wallOf(middle, zone) < wall) before = middle;
    else since = middle;
  }
  return since;
}

/** The latest wall time that the zone's clocks have shown up to an instant: later than now's, while they show an hour again. */
export function latestWall(instant: number, zone: string): number {
  return instant + Math.max(offsetAt(instant, zone), offsetAt(instant - DAY_MS, zone));
}

function offsetAt(instant: number, zone: string): number {
  const [, sign, hours, minutes, seconds = '0'] = /GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?$/.exec(formatOf(zone).format(instant))!;
  return sign === undefined ? 0 : Number(`${sign}1`) * (Number(hours) * 3_600_000 + Number(minutes) * 60_000 + Number(seconds) * 1_000);
}

function formatOf(zone: string): Intl.DateTimeFormat {
  const name = zone.toLowerCase();
  let format = formats.get(name);
  if (!format) formats.set(name, (format = new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset' })));
  return format;
}
