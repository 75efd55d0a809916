import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { ScheduleLoop } from '../../src/datalake/schedules/schedule-loop.js';
import { eventually } from '../support/eventually.js';
import { type Api, useHouse, useNeighbour } from '../support/house.js';
import { exportOf, givenCosts, holdCosts } from './support.js';

interface SeenSchedule { schedule_id: string; next_due_at: string | null; next_runs: { due_at: string; starts_at: string; from: string; to: string }[] }
interface SeenRun { run_id: string; trigger: string; due_at: string | null; created_at: string; from: string; to: string; export_id: string | null; status: string; row_count: number | null; error: string | null }

const DATA_DIR = mkdtempSync(join(tmpdir(), 'lakehook-schedules-'));
const house = useHouse({ DATA_DIR, SCHEDULES_PER_TENANT: '6' });
const neighbour = useNeighbour(house, { DATA_DIR });
const DAY_MS = 86_400_000;
const COSTS = { dataset: 'cost_data', format: 'csv' };
const PATH = '/v1/datalake/schedules';
const NOBODY = '018f4e2a-0000-7abc-8def-0123456789ab';

afterAll(() => rmSync(DATA_DIR, { recursive: true, force: true }));
afterEach(async () => {
  for (const { schedule_id } of (await house.api.get(PATH).expect(200)).body.data as SeenSchedule[]) await house.api.delete(`${PATH}/${schedule_id}`).expect(204);
});

const givenSchedule = async (more: object = {}, api: Api = house.api): Promise<SeenSchedule> => (await api.post(PATH).send({ name: 'costs', cadence: 'daily', export: COSTS, ...more }).expect(201)).body;
const scheduleOf = async ({ schedule_id }: SeenSchedule): Promise<SeenSchedule> => (await house.api.get(`${PATH}/${schedule_id}`).expect(200)).body;
const runsOf = async ({ schedule_id }: SeenSchedule): Promise<SeenRun[]> => (await house.api.get(`${PATH}/${schedule_id}/runs`).expect(200)).body.data;
/** Its runs, oldest first, once there are so many and all have ended. */
const endedRuns = async (schedule: SeenSchedule, count: number): Promise<SeenRun[]> => (await eventually(`${count} runs to end`, async () => {
  const runs = await runsOf(schedule);
  return runs.length >= count && runs.every(({ status }) => status !== 'queued' && status !== 'running') && runs;
}, 30_000)).reverse();
const advanceTo = (time: string | number): void => house.clock.advance(new Date(time).getTime() - house.clock.now());
/** Just after a run can start. */
const advancePast = ({ starts_at }: { starts_at: string }): void => advanceTo(Date.parse(starts_at) + 1_000);
const exportsOf = async (schedule: SeenSchedule): Promise<number> => Number((await house.sql<{ count: string }>('SELECT count(*) FROM exports e JOIN schedule_runs r USING (export_id) WHERE r.schedule_id = $1', [schedule.schedule_id]))[0]!.count);

describe('a schedule', () => {
  test('is kept as it was given, with defaults, and tells when it is due and which days it exports then', async () => {
    advanceTo(Math.ceil(house.clock.now() / DAY_MS) * DAY_MS + DAY_MS / 2);
    const today = new Date(house.clock.now()).toISOString().slice(0, 10);
    const day = (n: number): string => new Date(Date.parse(today) + n * DAY_MS).toISOString().slice(0, 10);
    const schedule = await givenSchedule();
    expect(schedule).toMatchObject({ name: 'costs', cadence: 'daily', at: null, weekday: null, day_of_month: null, timezone: 'UTC', window: 'previous_period', export: COSTS, is_active: true, next_due_at: `${day(1)}T00:00:00.000Z` });
    expect(schedule.next_runs).toEqual([1, 2, 3, 4, 5].map((n) => ({ due_at: `${day(n)}T00:00:00.000Z`, starts_at: `${day(n)}T00:01:00.000Z`, from: day(n - 1), to: day(n) })));
    expect(await scheduleOf(schedule)).toEqual(schedule);
    const { next_runs: _, ...listed } = schedule;
    expect((await house.api.get(PATH).expect(200)).body).toEqual({ data: [listed], next_cursor: null });
  });

  test('can be replaced and changed: what is due stays so, unless another time counts', async () => {
    const { schedule_id, ...schedule } = await givenSchedule({ cadence: 'weekly', weekday: 'sunday', at: '06:30', timezone: 'America/New_York', window: 'all' });
    const change = async (body: object): Promise<SeenSchedule> => (await house.api.patch(`${PATH}/${schedule_id}`).send(body).expect(200)).body;
    expect(await change({ name: 'other', export: { ...COSTS, compression: 'zstd' } })).toMatchObject({ name: 'other', cadence: 'weekly', weekday: 'sunday', at: '06:30', export: { compression: 'zstd' }, next_due_at: schedule.next_due_at });
    const monthly = await change({ cadence: 'monthly', day_of_month: 31 });
    expect(monthly).toMatchObject({ cadence: 'monthly', weekday: null, at: '06:30', day_of_month: 31, timezone: 'America/New_York', window: 'all' });
    expect(monthly.next_due_at).not.toBe(schedule.next_due_at);
    expect(await change({ cadence: '30 6 * * 0' })).toMatchObject({ at: null, day_of_month: null, next_due_at: schedule.next_due_at });
    expect(await change({ is_active: false })).toMatchObject({ is_active: false, next_due_at: null, next_runs: [] });
    expect((await house.api.put(`${PATH}/${schedule_id}`).send({ name: 'new', cadence: 'daily', export: COSTS }).expect(200)).body).toMatchObject({ name: 'new', at: null, timezone: 'UTC', window: 'previous_period', export: COSTS, is_active: true });
    const { data } = (await house.api.get(`/v1/audit-log?subject_id=${schedule_id}`).expect(200)).body;
    expect(data.map(({ action }: { action: string }) => action)).toEqual([...Array<string>(5).fill('schedule.changed'), 'schedule.created']);
    expect(data[4]).toMatchObject({ before: { name: 'costs', export: COSTS }, after: { name: 'other', export: { compression: 'zstd' } } });
  });

  test.each<[object, ...string[]]>([
    [{ name: '' }, '/name'], [{ cadence: 'hourly' }, '/cadence'], [{ cadence: '* * * * * *' }, '/cadence'], [{ cadence: '0 0 30 2 *' }, '/cadence'], [{ cadence: 5 }, '/cadence'],
    [{ at: '24:00' }, '/at'], [{ at: '6:30' }, '/at'], [{ cadence: '0 6 * * *', at: '06:00' }, '/at'], [{ cadence: 'weekly', weekday: 'Monday' }, '/weekday'], [{ weekday: 'monday' }, '/weekday'],
    [{ cadence: 'monthly', day_of_month: 32 }, '/day_of_month'], [{ cadence: 'weekly', day_of_month: 1 }, '/day_of_month'], [{ timezone: '+02:00' }, '/timezone'], [{ timezone: 'Mars/Olympus' }, '/timezone'], [{ timezone: null }, '/timezone'],
    [{ window: 'today' }, '/window'], [{ is_active: 'yes' }, '/is_active'], [{ export: null }, '/export'], [{ export: [] }, '/export'], [{ export: {} }, '/export/dataset', '/export/format'], [{ export: { ...COSTS, from: '2026-01-01' } }, '/export/from'],
    [{ export: { ...COSTS, dataset: 'nothing' } }, '/export/dataset'], [{ export: { ...COSTS, compression: 'snappy' } }, '/export/compression'], [{ export: { ...COSTS, columns: ['date', 'x'] } }, '/export/columns/1'],
    [{ export: { ...COSTS, filter: { nothing: 1 } } }, '/export/filter/nothing'], [{ export: { ...COSTS, destination_id: NOBODY } }, '/export/destination_id'], [{ next_due_at: '2026-01-01T00:00:00Z' }, '/next_due_at'],
    [{ cadence: 'never', timezone: 'x', export: { ...COSTS, columns: [] } }, '/cadence', '/timezone', '/export/columns'],
  ])('%j is refused', async (fields, ...pointers) => {
    const whole = { name: 'costs', cadence: 'daily', export: COSTS, ...fields };
    const { body } = await house.api.post(PATH).send(whole).expect(422);
    expect([...new Set(body.errors.map(({ pointer }: { pointer: string }) => pointer))].sort()).toEqual([...pointers].sort());
    const { schedule_id } = await givenSchedule();
    await house.api.put(`${PATH}/${schedule_id}`).send(whole).expect(422);
  });

  test('takes a key that may read what it exports, to save it and to run it', async () => {
    const { key } = (await house.api.post('/v1/api-keys').send({ name: 'no costs', scopes: ['datalake:write', 'events:read'] }).expect(201)).body;
    const api = house.as(key);
    const events = { dataset: 'events', format: 'json' };
    const { schedule_id } = await givenSchedule();
    for (const refused of [
      api.post(PATH).send({ name: 'x', cadence: 'daily', export: COSTS }), api.patch(`${PATH}/${schedule_id}`).send({ name: 'x' }), api.post(`${PATH}/${schedule_id}/run`),
    ]) expect((await refused.expect(403)).body.detail).toContain('cost:read');
    await givenSchedule({ export: events }, api);
    await api.patch(`${PATH}/${schedule_id}`).send({ export: events }).expect(200);
  });

  test('is one of a limited number', async () => {
    await Promise.all([1, 2, 3, 4, 5, 6].map(() => givenSchedule()));
    expect((await house.api.post(PATH).send({ name: 'seventh', cadence: 'daily', export: COSTS }).expect(409)).body.detail).toContain('SCHEDULES_PER_TENANT');
  });
});

describe('what is due', () => {
  test('starts once, whichever of two processes sees it first', async () => {
    const schedules = await Promise.all([1, 2, 3, 4, 5, 6].map((n) => givenSchedule({ at: '06:00', export: { ...COSTS, target: 'private' } }, n % 2 ? house.api : neighbour.api)));
    const [first, second] = schedules[0]!.next_runs;
    await givenCosts(house, first!.from, 1, 3);
    advancePast(first!);
    for (const schedule of schedules) {
      const runs = await endedRuns(schedule, 1);
      expect(runs).toMatchObject([{ trigger: 'schedule', due_at: first!.due_at, from: first!.from, to: first!.to, status: 'succeeded', row_count: 3, error: null }]);
      expect(await exportOf(house.api, runs[0]!.export_id!)).toMatchObject({ dataset: 'cost_data', format: 'csv', target: 'private', from: first!.from, to: first!.to });
      expect(await exportsOf(schedule)).toBe(1);
      expect((await scheduleOf(schedule)).next_due_at).toBe(second!.due_at);
    }
  });

  test('and was missed is made up for, each period once; of everything there is only the last', async () => {
    const [daily, everything] = [await givenSchedule(), await givenSchedule({ window: 'all', at: '00:00', export: { ...COSTS, target: 'private' } })];
    const { next_runs: dues } = daily;
    await givenCosts(house, dues[0]!.from, 3, 2);
    advancePast(dues[2]!);
    expect((await endedRuns(daily, 3)).map(({ due_at, from, to, status, row_count }) => ({ due_at, from, to, status, row_count }))).toEqual(
      dues.slice(0, 3).map(({ due_at, from, to }, n) => ({ due_at, from, to, status: 'succeeded', row_count: n === 0 && from === dues[0]!.from ? expect.any(Number) : 2 })));
    expect(await endedRuns(everything, 1)).toMatchObject([{ due_at: dues[2]!.due_at, from: '2000-01-01', status: 'succeeded' }]);
    expect((await scheduleOf(daily)).next_due_at).toBe(dues[3]!.due_at);
    expect((await scheduleOf(everything)).next_due_at).toBe(dues[3]!.due_at);
  });

  test('waits for the export before it, and is then made up for once a day', async () => {
    advanceTo(Math.ceil(house.clock.now() / DAY_MS) * DAY_MS + DAY_MS / 2);
    const minutely = await givenSchedule({ cadence: '* * * * *' });
    const witness = await givenSchedule({ cadence: '*/5 * * * *', export: { dataset: 'events', format: 'json' } });
    const held = await holdCosts(house);
    advancePast(minutely.next_runs[0]!);
    await eventually('the first export to run', async () => (await runsOf(minutely))[0]?.status === 'running');
    advanceTo(Date.parse(witness.next_runs[0]!.starts_at) + 120_000);
    await endedRuns(witness, 1);
    expect(await runsOf(minutely)).toHaveLength(1);
    await held.release();
    const [first, second, ...more] = await endedRuns(minutely, 2);
    expect([first!.due_at, second!.due_at]).toEqual(minutely.next_runs.slice(0, 2).map(({ due_at }) => due_at));
    expect(more.every(({ due_at }) => Date.parse(due_at!) > Date.parse(second!.created_at) - 60_000)).toBe(true);
  });

  test('does not start while it is not active, and is not made up for', async () => {
    const [sleeping, witness] = [await givenSchedule({ is_active: false }), await givenSchedule()];
    expect(sleeping).toMatchObject({ next_due_at: null, next_runs: [] });
    advancePast(witness.next_runs[1]!);
    await endedRuns(witness, 2);
    expect(await runsOf(sleeping)).toEqual([]);
    const woken = (await house.api.patch(`${PATH}/${sleeping.schedule_id}`).send({ is_active: true }).expect(200)).body as SeenSchedule;
    expect(woken.next_due_at).toBe(witness.next_runs[2]!.due_at);
  });

  test('goes on when the key is revoked that made the schedule, and the audit log says that the schedule did it', async () => {
    const { key, key_id } = (await house.api.post('/v1/api-keys').send({ name: 'gone', scopes: ['datalake:write', 'cost:read'] }).expect(201)).body;
    const schedule = await givenSchedule({}, house.as(key));
    await house.api.delete(`/v1/api-keys/${key_id}`).expect(204);
    advancePast(schedule.next_runs[0]!);
    const [run] = await endedRuns(schedule, 1);
    expect(run).toMatchObject({ status: 'succeeded' });
    expect((await house.api.get(`/v1/audit-log?subject_id=${run!.export_id}`).expect(200)).body.data).toMatchObject([{ action: 'export.created', key_id: schedule.schedule_id }]);
  });

  test('and cannot be made any more is on record, and on the log as export.failed; the next one is tried again', async () => {
    const schedule = await givenSchedule();
    await house.sql("UPDATE schedules SET options = options || '{\"dataset\":\"gone\"}' WHERE schedule_id = $1", [schedule.schedule_id]);
    expect((await house.api.post(`${PATH}/${schedule.schedule_id}/run`).expect(409)).body.detail).toContain('is no dataset');
    advancePast(schedule.next_runs[0]!);
    expect(await endedRuns(schedule, 1)).toMatchObject([{ status: 'failed', export_id: null, row_count: null, error: expect.stringContaining('is no dataset') }]);
    const { data } = (await house.api.get('/v1/events?event_type=export.failed').expect(200)).body;
    expect(data).toMatchObject([{ data: { schedule_id: schedule.schedule_id, dataset: 'gone', from: schedule.next_runs[0]!.from, error: expect.stringContaining('is no dataset') } }]);
    await house.sql('UPDATE schedules SET options = $2 WHERE schedule_id = $1', [schedule.schedule_id, JSON.stringify(COSTS)]);
    advancePast(schedule.next_runs[1]!);
    expect((await endedRuns(schedule, 2)).map(({ status }) => status)).toEqual(['failed', 'succeeded']);
  });

  test('starts once where whoever starts it dies between putting the run on record and queuing its export', async () => {
    const schedule = await givenSchedule();
    const client = new Client({ connectionString: house.databaseUrl });
    await client.connect();
    await client.query('BEGIN; LOCK TABLE exports IN SHARE ROW EXCLUSIVE MODE');
    advancePast(schedule.next_runs[0]!);
    const { pid } = await eventually('a run to wait for its export', async () => (await house.sql<{ pid: number }>("SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'INSERT INTO %exports%' AND datname = current_database()"))[0]);
    await house.sql('SELECT pg_terminate_backend($1)', [pid]);
    await eventually('it to be gone', async () => (await house.sql('SELECT FROM pg_stat_activity WHERE pid = $1', [pid])).length === 0);
    expect(await runsOf(schedule)).toEqual([]);
    await client.end();
    expect(await endedRuns(schedule, 1)).toMatchObject([{ due_at: schedule.next_runs[0]!.due_at, status: 'succeeded' }]);
    expect((await house.sql<{ count: string }>('SELECT count(*) FROM exports WHERE created_at >= (SELECT min(created_at) FROM schedule_runs WHERE schedule_id = $1)', [schedule.schedule_id]))[0]!.count).toBe('1');
  });

  test('stays what the calendar says after a clock that was days ahead for a while', async () => {
    const schedule = await givenSchedule({ window: 'all', export: { ...COSTS, target: 'private' } });
    house.clock.advance(40 * DAY_MS);
    await endedRuns(schedule, 1);
    house.clock.advance(-40 * DAY_MS);
    expect(Date.parse((await scheduleOf(schedule)).next_due_at!)).toBeGreaterThan(house.clock.now() + 39 * DAY_MS);
    await house.app.get(ScheduleLoop).replan();
    expect((await scheduleOf(schedule)).next_due_at).toBe(schedule.next_due_at);
  });
});

describe('out of turn', () => {
  test('a schedule runs at once, active or not, for the last period that is over; when it is due next stays as it is', async () => {
    const schedule = await givenSchedule({ is_active: false });
    const { from, to } = (await givenSchedule({ at: '23:59' })).next_runs[0]!;
    await givenCosts(house, from, 1, 1);
    const { body } = await house.api.post(`${PATH}/${schedule.schedule_id}/run`).expect(202);
    expect(body).toMatchObject({ schedule_id: schedule.schedule_id, trigger: 'manual', due_at: null, status: 'queued', error: null });
    const [run] = await endedRuns(schedule, 1);
    expect(run).toMatchObject({ run_id: body.run_id, export_id: body.export_id, status: 'succeeded', row_count: expect.any(Number) });
    expect(new Date(Date.parse(run!.to)).toISOString().slice(0, 10)).toBe(new Date(house.clock.now()).toISOString().slice(0, 10));
    expect([from, to]).toContain(run!.to);
    expect((await scheduleOf(schedule)).next_due_at).toBeNull();
  });

  test('it runs once for requests under one Idempotency-Key, even where the first had no answer', async () => {
    const schedule = await givenSchedule();
    const ask = () => house.api.post(`${PATH}/${schedule.schedule_id}/run`).set('idempotency-key', 'once').expect(202);
    const { body: first } = await ask();
    expect((await ask()).body.run_id).toBe(first.run_id);
    await house.sql("DELETE FROM idempotency_keys WHERE key = 'once'");
    expect((await ask()).body.run_id).toBe(first.run_id);
    expect(await runsOf(schedule)).toHaveLength(1);
    await house.api.post(`${PATH}/${schedule.schedule_id}/run`).expect(202);
    expect(await runsOf(schedule)).toHaveLength(2);
  });

  test('its history is a list of pages, newest first; a deleted export is told, and a deleted schedule leaves its exports', async () => {
    const schedule = await givenSchedule({ export: { ...COSTS, target: 'private' } });
    const ids: string[] = [];
    for (let n = 0; n < 3; n++) ids.unshift((await house.api.post(`${PATH}/${schedule.schedule_id}/run`).expect(202)).body.run_id);
    const [oldest, , newest] = await endedRuns(schedule, 3);
    await house.api.delete(`/v1/datalake/exports/${oldest!.export_id}`).expect(204);
    const page = async (query: string) => (await house.api.get(`${PATH}/${schedule.schedule_id}/runs?limit=2${query}`).expect(200)).body as { data: SeenRun[]; next_cursor: string | null };
    const first = await page('');
    const second = await page(`&cursor=${first.next_cursor}`);
    expect([...first.data, ...second.data].map(({ run_id, status }) => [run_id, status])).toEqual([[ids[0], 'succeeded'], [ids[1], 'succeeded'], [ids[2], 'deleted']]);
    expect(second.next_cursor).toBeNull();
    await house.api.delete(`${PATH}/${schedule.schedule_id}`).expect(204);
    await house.api.get(`${PATH}/${schedule.schedule_id}/runs`).expect(404);
    expect(await exportOf(house.api, newest!.export_id!)).toMatchObject({ status: 'succeeded' });
  });
});
