import { describe, expect, test } from 'vitest';
import { daysAt, daysNow, daysOfDue, dueAfter, dueBefore, dueNext, dueNow, findTimetableFaults, startOf, type Timetable } from './timetable.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const at = (time: string): number => Date.parse(time);
const table = (more: Partial<Timetable>): Timetable => ({ cadence: 'daily', at: null, weekday: null, day_of_month: null, timezone: 'UTC', window: 'previous_period', ...more });

/** The first times that it is due after one. */
function duesAfter(timetable: Timetable, from: string, count: number): string[] {
  const dues: string[] = [];
  for (let due = dueAfter(timetable, at(from)); due !== undefined && dues.length < count; due = dueAfter(timetable, due)) dues.push(new Date(due).toISOString().replace(':00.000Z', 'Z'));
  return dues;
}

/** What is run, from the first that was missed. */
const caughtUp = (timetable: Timetable, first: string, now: string): string[] => {
  const run: string[] = [];
  for (let due: number | undefined = at(first); due !== undefined && due <= at(now); due = dueNext(timetable, due, at(now))) {
    due = dueNow(timetable, due, at(now));
    run.push(new Date(due).toISOString().slice(0, 16));
  }
  return run;
};

describe('when a schedule is due', () => {
  test.each<[string, Partial<Timetable>, string, string[]]>([
    ['daily, at midnight by default', {}, '2026-11-22T00:00:00Z', ['2026-11-23T00:00Z', '2026-11-24T00:00Z']],
    ['daily, later today', { at: '06:30' }, '2026-11-22T06:29:59Z', ['2026-11-22T06:30Z', '2026-11-23T06:30Z']],
    ['daily over the end of a leap February', { at: '23:59' }, '2028-02-28T23:59:00Z', ['2028-02-29T23:59Z', '2028-03-01T23:59Z']],
    ['weekly, on Mondays by default', { cadence: 'weekly' }, '2026-11-22T12:00:00Z', ['2026-11-23T00:00Z', '2026-11-30T00:00Z']],
    ['weekly, on a Sunday', { cadence: 'weekly', weekday: 'sunday', at: '12:00' }, '2026-11-22T12:00:00Z', ['2026-11-29T12:00Z', '2026-12-06T12:00Z']],
    ['weekly, over the year', { cadence: 'weekly', weekday: 'friday' }, '2026-12-26T00:00:00Z', ['2027-01-01T00:00Z', '2027-01-08T00:00Z']],
    ['monthly, on the first by default', { cadence: 'monthly' }, '2026-11-22T00:00:00Z', ['2026-12-01T00:00Z', '2027-01-01T00:00Z']],
    ['monthly on the 31st: the last day of shorter months', { cadence: 'monthly', day_of_month: 31, at: '05:00' }, '2027-01-30T00:00:00Z', ['2027-01-31T05:00Z', '2027-02-28T05:00Z', '2027-03-31T05:00Z', '2027-04-30T05:00Z']],
    ['monthly on the 31st, in a leap year', { cadence: 'monthly', day_of_month: 31 }, '2028-02-01T00:00:00Z', ['2028-02-29T00:00Z', '2028-03-31T00:00Z']],
    ['monthly on the 30th', { cadence: 'monthly', day_of_month: 30 }, '2027-02-01T00:00:00Z', ['2027-02-28T00:00Z', '2027-03-30T00:00Z']],
    ['cron', { cadence: '15 6 * * 1-5' }, '2026-11-20T06:15:00Z', ['2026-11-23T06:15Z', '2026-11-24T06:15Z']],
    ['cron on 29 February', { cadence: '0 0 29 2 *' }, '2026-11-22T00:00:00Z', ['2028-02-29T00:00Z', '2032-02-29T00:00Z']],
    ['cron on the last day of months', { cadence: '0 12 L * *' }, '2027-01-31T12:00:00Z', ['2027-02-28T12:00Z', '2027-03-31T12:00Z']],
    ['New York keeps its wall time over both changes', { at: '06:00', timezone: 'America/New_York' }, '2026-03-07T00:00:00Z', ['2026-03-07T11:00Z', '2026-03-08T10:00Z']],
    ['Berlin, a time that is skipped: as soon as it is past', { at: '02:30', timezone: 'Europe/Berlin' }, '2026-03-28T00:00:00Z', ['2026-03-28T01:30Z', '2026-03-29T01:00Z', '2026-03-30T00:30Z']],
    ['Berlin, a time that comes twice: the first time', { at: '02:30', timezone: 'Europe/Berlin' }, '2026-10-24T12:00:00Z', ['2026-10-25T00:30Z', '2026-10-26T01:30Z']],
    ['Berlin, asked while the hour comes again', { at: '02:30', timezone: 'Europe/Berlin' }, '2026-10-25T01:10:00Z', ['2026-10-26T01:30Z']],
    ['New York, a time that is skipped', { at: '02:00', timezone: 'America/New_York' }, '2026-03-08T00:00:00Z', ['2026-03-08T07:00Z', '2026-03-09T06:00Z']],
    ['New York, a time that comes twice', { at: '01:30', timezone: 'America/New_York' }, '2026-11-01T00:00:00Z', ['2026-11-01T05:30Z', '2026-11-02T06:30Z']],
    ['Lord Howe, whose summer is half an hour: skipped', { at: '02:15', timezone: 'Australia/Lord_Howe' }, '2026-10-02T18:00:00Z', ['2026-10-03T15:30Z', '2026-10-04T15:15Z']],
    ['Lord Howe, twice', { at: '01:45', timezone: 'Australia/Lord_Howe' }, '2026-04-04T00:00:00Z', ['2026-04-04T14:45Z', '2026-04-05T15:15Z']],
    ['a day that begins an hour late', { timezone: 'Africa/Cairo' }, '2026-04-23T00:00:00Z', ['2026-04-23T22:00Z', '2026-04-24T21:00Z']],
    ['a day that a country skipped', { at: '06:00', timezone: 'Pacific/Apia' }, '2011-12-29T00:00:00Z', ['2011-12-29T16:00Z', '2011-12-30T10:00Z', '2011-12-30T16:00Z']],
    ['several times in a gap are one', { cadence: '0,30 2,3 * * *', timezone: 'Europe/Berlin' }, '2026-03-29T00:00:00Z', ['2026-03-29T01:00Z', '2026-03-29T01:30Z', '2026-03-30T00:00Z']],
    ['hourly, where an hour comes again: not again', { cadence: '0 * * * *', timezone: 'Europe/Berlin' }, '2026-10-24T23:30:00Z', ['2026-10-25T00:00Z', '2026-10-25T02:00Z']],
  ])('%s', (_, more, from, dues) => {
    expect(duesAfter(table(more), from, dues.length)).toEqual(dues);
  });

  test.each(['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Africa/Casablanca', 'Pacific/Chatham', 'UTC'])('each day of %s has each time once, and the time before a due time is the one it followed', (timezone) => {
    for (const time of ['00:00', '01:45', '02:30', '03:00']) {
      const timetable = table({ at: time, timezone });
      let due = dueAfter(timetable, at('2026-01-01T00:00:00Z'))!;
      for (let n = 0; n < 365; n++) {
        const next = dueAfter(timetable, due)!;
        expect(Math.abs(next - due - DAY_MS)).toBeLessThanOrEqual(HOUR_MS);
        expect(dueBefore(timetable, next)).toBe(due);
        expect(dueAfter(timetable, next - 1)).toBe(next);
        due = next;
      }
      expect(new Date(due).toISOString().slice(0, 7)).toMatch(/^202[67]-(12|01)$/);
    }
  });

  test.each(['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe'])('forwards and backwards, a quarter-hourly schedule in %s has the same times', (timezone) => {
    const timetable = table({ cadence: '*/15 * * * *', timezone });
    for (const day of ['2026-03-08', '2026-03-28', '2026-04-04', '2026-10-03', '2026-10-24', '2026-10-31']) {
      const [from, to] = [at(`${day}T12:00:00Z`), at(`${day}T12:00:00Z`) + DAY_MS];
      const [forwards, backwards]: number[][] = [[], []];
      for (let due = dueAfter(timetable, from)!; due < to; due = dueAfter(timetable, due)!) forwards!.push(due);
      for (let due = dueBefore(timetable, to)!; due > from; due = dueBefore(timetable, due)!) backwards!.unshift(due);
      expect(backwards).toEqual(forwards);
      expect(forwards!.length).toBeGreaterThanOrEqual(91);
    }
  });
});

describe('which days it exports', () => {
  test.each<[string, Partial<Timetable>, string, string, string, string]>([
    ['daily: the day before', { at: '06:00' }, '2026-03-01T06:00:00Z', '2026-02-28', '2026-03-01', '2026-03-01T06:00:00Z'],
    ['daily at midnight: a minute later, when its last rows are committed', {}, '2026-03-01T00:00:00Z', '2026-02-28', '2026-03-01', '2026-03-01T00:01:00Z'],
    ['daily in Berlin: the day there, once it is over in UTC too', { timezone: 'Europe/Berlin' }, '2026-07-01T22:00:00Z', '2026-07-01', '2026-07-02', '2026-07-02T00:01:00Z'],
    ['daily in New York: over in UTC before it is there', { timezone: 'America/New_York' }, '2026-07-02T04:00:00Z', '2026-07-01', '2026-07-02', '2026-07-02T04:00:00Z'],
    ['daily on Lord Howe: half a day ahead', { at: '02:00', timezone: 'Australia/Lord_Howe' }, '2026-07-01T15:30:00Z', '2026-07-01', '2026-07-02', '2026-07-02T00:01:00Z'],
    ['daily after a day that was skipped: both days before', { at: '00:00', timezone: 'Pacific/Apia' }, '2011-12-30T10:00:00Z', '2011-12-29', '2011-12-31', '2011-12-31T00:01:00Z'],
    ['weekly: the week before, from Monday', { cadence: 'weekly', at: '03:00' }, '2026-11-23T03:00:00Z', '2026-11-16', '2026-11-23', '2026-11-23T03:00:00Z'],
    ['weekly on a Sunday: the same, for that Sunday\'s week is not over', { cadence: 'weekly', weekday: 'sunday' }, '2026-11-29T00:00:00Z', '2026-11-16', '2026-11-23', '2026-11-29T00:00:00Z'],
    ['monthly: the month before', { cadence: 'monthly', at: '04:00' }, '2027-03-01T04:00:00Z', '2027-02-01', '2027-03-01', '2027-03-01T04:00:00Z'],
    ['monthly on the 31st, in February', { cadence: 'monthly', day_of_month: 31 }, '2028-02-29T00:00:00Z', '2028-01-01', '2028-02-01', '2028-02-29T00:00:00Z'],
    ['monthly, over the year', { cadence: 'monthly', timezone: 'America/New_York' }, '2027-01-01T05:00:00Z', '2026-12-01', '2027-01-01', '2027-01-01T05:00:00Z'],
    ['cron on workdays: on Monday the weekend too', { cadence: '0 6 * * 1-5' }, '2026-11-23T06:00:00Z', '2026-11-20', '2026-11-23', '2026-11-23T06:00:00Z'],
    ['cron several times a day: the day before each time', { cadence: '0 */6 * * *' }, '2026-11-23T12:00:00Z', '2026-11-22', '2026-11-23', '2026-11-23T12:00:00Z'],
    ['cron once a month, in an hour that is skipped', { cadence: '30 2 29 * *', timezone: 'Europe/Berlin' }, '2026-03-29T01:00:00Z', '2026-01-29', '2026-03-29', '2026-03-29T01:00:00Z'],
    ['everything, what is paid in advance too', { window: 'all' }, '2026-11-23T00:00:00Z', '2000-01-01', '2027-11-25', '2026-11-23T00:00:00Z'],
  ])('%s', (_, more, due, from, to, start) => {
    const timetable = table(more);
    expect(dueBefore(timetable, dueAfter(timetable, at(due))!), 'it is due then').toBe(at(due));
    const days = daysAt(timetable, at(due));
    expect(days).toEqual({ from, to });
    expect(new Date(startOf(timetable, at(due), days)).toISOString()).toBe(new Date(start).toISOString());
  });

  test.each<[string, Partial<Timetable>]>([
    ['daily', { at: '02:30', timezone: 'Europe/Berlin' }], ['weekly', { cadence: 'weekly', weekday: 'wednesday', timezone: 'America/New_York' }],
    ['monthly', { cadence: 'monthly', day_of_month: 31, timezone: 'Australia/Lord_Howe' }], ['cron', { cadence: '0 3 1,10,20 * *', timezone: 'America/New_York' }],
  ])('%s: each run begins where the one before ended', (_, more) => {
    const timetable = table(more);
    let due = dueAfter(timetable, at('2026-01-01T00:00:00Z'))!;
    for (let n = 0; n < 60; n++) {
      const next = dueAfter(timetable, due)!;
      expect(daysAt(timetable, next).from).toBe(daysAt(timetable, due).to);
      due = next;
    }
  });

  test.each<[string, Partial<Timetable>, string, string, string]>([
    ['daily: yesterday, whatever the hour', { at: '06:00' }, '2026-11-22T01:00:00Z', '2026-11-21', '2026-11-22'],
    ['monthly: last month, before it would be due', { cadence: 'monthly', day_of_month: 15 }, '2026-11-02T00:00:00Z', '2026-10-01', '2026-11-01'],
    ['east of Greenwich, while yesterday goes on in UTC: the day before', { timezone: 'Asia/Tokyo' }, '2026-11-21T20:00:00Z', '2026-11-20', '2026-11-21'],
    ['and the month before', { cadence: 'monthly', timezone: 'Asia/Tokyo' }, '2026-10-31T20:00:00Z', '2026-09-01', '2026-10-01'],
    ['cron: what was last due', { cadence: '0 6 1 * *' }, '2026-11-22T00:00:00Z', '2026-10-01', '2026-11-01'],
    ['every minute, east of Greenwich', { cadence: '* * * * *', timezone: 'Asia/Tokyo' }, '2026-11-21T20:00:00Z', '2026-11-20', '2026-11-21'],
    ['everything', { window: 'all' }, '2026-11-22T20:00:00Z', '2000-01-01', '2027-11-24'],
    ['everything, by cron: up to now, not to when it was last due', { window: 'all', cadence: '0 0 29 2 *' }, '2026-11-22T20:00:00Z', '2000-01-01', '2027-11-24'],
  ])('out of turn, %s', (_, more, now, from, to) => {
    expect(daysNow(table(more), at(now))).toEqual({ from, to });
  });

  test('late, everything is all there is by then, and a period stays what it was', () => {
    const [due, now] = [at('2026-11-01T00:00:00Z'), at('2026-11-22T20:00:00Z')];
    expect(daysOfDue(table({ cadence: 'monthly', window: 'all' }), due, now)).toEqual({ from: '2000-01-01', to: '2027-11-24' });
    expect(daysOfDue(table({ cadence: 'monthly' }), due, now)).toEqual({ from: '2026-10-01', to: '2026-11-01' });
  });
});

describe('what was missed', () => {
  test.each<[string, Partial<Timetable>, string, string, string[]]>([
    ['nothing: what is due is run', { at: '06:00' }, '2026-11-20T06:00:00Z', '2026-11-20T06:00:01Z', ['2026-11-20T06:00']],
    ['three days: each', { at: '06:00' }, '2026-11-20T06:00:00Z', '2026-11-22T07:00:00Z', ['2026-11-20T06:00', '2026-11-21T06:00', '2026-11-22T06:00']],
    ['two months: each', { cadence: 'monthly' }, '2026-10-01T00:00:00Z', '2026-11-22T00:00:00Z', ['2026-10-01T00:00', '2026-11-01T00:00']],
    ['two days of every minute: one each', { cadence: '* * * * *' }, '2026-11-20T06:00:00Z', '2026-11-22T07:00:30Z', ['2026-11-20T06:00', '2026-11-21T00:00', '2026-11-22T00:00']],
    ['the days of the zone count', { cadence: '0 * * * *', timezone: 'America/New_York' }, '2026-11-20T06:00:00Z', '2026-11-21T07:00:30Z', ['2026-11-20T06:00', '2026-11-21T05:00']],
    ['everything, three times: the last', { window: 'all' }, '2026-11-20T00:00:00Z', '2026-11-22T07:00:00Z', ['2026-11-22T00:00']],
  ])('%s', (_, more, first, now, run) => {
    expect(caughtUp(table(more), first, now)).toEqual(run);
  });
});

test.each<[Partial<Timetable>, string | undefined]>([
  [{}, undefined], [{ cadence: 'weekly', weekday: 'sunday', at: '23:59' }, undefined], [{ cadence: 'monthly', day_of_month: 31 }, undefined], [{ cadence: '0 0 1 JAN *' }, undefined],
  [{ cadence: 'hourly' }, '/cadence'], [{ cadence: '* * * *' }, '/cadence'], [{ cadence: '* * * * * *' }, '/cadence'], [{ cadence: 'H * * * *' }, '/cadence'], [{ cadence: '@daily' }, '/cadence'],
  [{ cadence: '60 * * * *' }, '/cadence'], [{ cadence: '0 0 30 2 *' }, '/cadence'], [{ cadence: '' }, '/cadence'], [{ cadence: '*  * * * *' }, '/cadence'],
  [{ cadence: '0 0 * * *', at: '00:00' }, '/at'], [{ weekday: 'monday' }, '/weekday'], [{ cadence: 'weekly', day_of_month: 1 }, '/day_of_month'],
  [{ timezone: 'Mars/Olympus' }, '/timezone'], [{ timezone: '+02:00' }, '/timezone'], [{ timezone: '' }, '/timezone'], [{ timezone: 'Europe/Berlin' }, undefined],
])('%j is refused at %s', (more, pointer) => {
  expect(findTimetableFaults(table(more)).map((fault) => fault.pointer)).toEqual(pointer === undefined ? [] : [pointer]);
});
