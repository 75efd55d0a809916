import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Places } from '../../src/datalake/exports/places.js';
import { ExportRetention } from '../../src/datalake/exports/retention.js';
import { eventually } from '../support/eventually.js';
import { givenEvent, givenTenant, givenWebhook } from '../support/given.js';
import { useHouse, useNeighbour } from '../support/house.js';
import { useReceiver } from '../support/receiver.js';
import { brokenManifest, exported, exportOf, filesUnder, givenCosts, givenExport, holdCosts, type SeenExport, stagedUnder } from './support.js';

const DATA_DIR = mkdtempSync(join(tmpdir(), 'lakehook-exports-'));
const LAKE = join(DATA_DIR, 'lake');
const house = useHouse({ DATA_DIR, EXPORT_CONCURRENCY: '2' });
// Serves only, so that the house has the work to itself.
const neighbour = useNeighbour(house, { DATA_DIR, ROLE: 'api' });
const receiver = useReceiver();
const DAY_MS = 86_400_000;
let tenantId: string;
let root: string;

beforeAll(async () => {
  tenantId = (await house.sql<{ tenant_id: string }>('SELECT tenant_id FROM tenants'))[0]!.tenant_id;
  root = join(LAKE, tenantId);
  await givenCosts(house, '2024-12-01', 3, 5);
});
afterAll(() => rmSync(DATA_DIR, { recursive: true, force: true }));

const statusOf = async (exportId: string): Promise<string> => ((await house.api.get(`/v1/datalake/exports/${exportId}`).expect(200)).body as SeenExport).status;
const running = (exportId: string): Promise<unknown> => eventually('the export to run', async () => (await statusOf(exportId)) === 'running');
const underWay = (): Promise<{ export_id: string }[]> => house.sql("SELECT export_id FROM exports WHERE status NOT IN ('succeeded', 'failed', 'cancelled') OR leftovers OR claimed_by IS NOT NULL");
/** Nothing is claimed, nothing is left over, nothing is staged. */
const settled = (): Promise<unknown> => eventually('everything to be cleared', async () => (await underWay()).length === 0 && stagedUnder(LAKE).length === 0);

const today = (): [string, string] => [0, DAY_MS].map((ahead) => new Date(house.clock.now() + ahead).toISOString().slice(0, 10)) as [string, string];
/** A file where a folder has to be. */
const obstruct = (folder: string): string => {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, '..'), { recursive: true });
  writeFileSync(folder, '');
  return folder;
};
const deleteExport = ({ export_id }: SeenExport): Promise<unknown> => house.api.delete(`/v1/datalake/exports/${export_id}`).expect(204);

describe('cancelling', () => {
  test('a queued export never begins', async () => {
    const held = await holdCosts(house);
    const busy = [await givenExport(house.api, '2024-12-01', '2024-12-02', { target: 'private' }), await givenExport(house.api, '2024-12-01', '2024-12-02', { target: 'private' })];
    await Promise.all(busy.map(running));
    const waiting = await givenExport(house.api, '2024-12-01', '2024-12-02', { target: 'private' });
    expect((await house.api.post(`/v1/datalake/exports/${waiting}/cancel`).expect(200)).body).toMatchObject({ status: 'cancelled', started_at: null });
    await held.release();
    for (const id of busy) expect(await exportOf(house.api, id)).toMatchObject({ status: 'succeeded' });
    expect(await statusOf(waiting)).toBe('cancelled');
  });

  test.for([['here', () => house], ['in another process', () => neighbour]] as const)('a running export ends at once when it is asked for %s, and leaves nothing', async ([, asked]) => {
    const before = filesUnder(root);
    const held = await holdCosts(house);
    const id = await givenExport(house.api, '2024-12-01', '2024-12-04');
    await running(id);
    expect((await asked().api.post(`/v1/datalake/exports/${id}/cancel`).expect(200)).body).toMatchObject({ status: 'cancelled' });
    await settled();
    await held.release();
    expect(filesUnder(root)).toEqual(before);
    expect(await exportOf(house.api, id)).toMatchObject({ status: 'cancelled', files: [] });
    await house.api.post(`/v1/datalake/exports/${id}/cancel`).expect(200);
  });

  test('an export that has ended, or is showing its files, cannot be cancelled', async () => {
    const { export_id } = await exported(house.api, '2024-12-01', '2024-12-02');
    expect((await house.api.post(`/v1/datalake/exports/${export_id}/cancel`).expect(409)).body.detail).toContain('succeeded already');
    await house.sql("UPDATE exports SET status = 'publishing', claimed_by = gen_random_uuid(), lease_until = now() + interval '1 hour', finished_at = NULL WHERE export_id = $1", [export_id]);
    expect(await statusOf(export_id)).toBe('running');
    for (const [method, path] of [['post', '/cancel'], ['post', '/retry'], ['delete', '']] as const) await house.api[method](`/v1/datalake/exports/${export_id}${path}`).expect(409);
    // Rolled forward by whoever finds the lease run out.
    await house.sql("UPDATE exports SET lease_until = now() - interval '1 second' WHERE export_id = $1", [export_id]);
    expect(await exportOf(house.api, export_id)).toMatchObject({ status: 'succeeded', row_count: 5 });
  });

  test('an export that is cancelled again before it has begun again leaves nothing of its first try either', async () => {
    const held = await holdCosts(house);
    const busy = [await givenExport(house.api, '2024-12-01', '2024-12-02', { target: 'private' }), await givenExport(house.api, '2024-12-01', '2024-12-02', { target: 'private' })];
    await Promise.all(busy.map(running));
    const id = await givenExport(house.api, '2024-12-01', '2024-12-02', { target: 'private' });
    // As a first try that got as far as staging leaves it until somebody has a hand free.
    await house.sql("UPDATE exports SET status = 'failed', leftovers = true, started_at = now(), finished_at = now() WHERE export_id = $1", [id]);
    await house.sql("INSERT INTO export_files (export_id, key, partition, state, fingerprint, bytes, sha256, rows, sums, token) VALUES ($1, 'exports/x.parquet', '', 'staged', '', 0, '', 0, '{}', 'gone')", [id]);
    await house.api.post(`/v1/datalake/exports/${id}/retry`).expect(202);
    await house.api.post(`/v1/datalake/exports/${id}/cancel`).expect(200);
    await held.release();
    await settled();
    expect(await house.sql('SELECT FROM export_files WHERE export_id = $1', [id])).toEqual([]);
  });

  test('a cancelled export can be tried again', async () => {
    const held = await holdCosts(house);
    const id = await givenExport(house.api, '2024-12-01', '2024-12-02', { target: 'private' });
    await running(id);
    await house.api.post(`/v1/datalake/exports/${id}/cancel`).expect(200);
    await held.release();
    expect((await house.api.post(`/v1/datalake/exports/${id}/retry`).expect(202)).body).toMatchObject({ status: 'queued', progress: 0, finished_at: null });
    expect(await exportOf(house.api, id)).toMatchObject({ status: 'succeeded', row_count: 5 });
    await house.api.post(`/v1/datalake/exports/${id}/retry`).expect(409);
  });
});

describe('failing', () => {
  test('leaves nothing visible and says why; once the cause is gone, a retry succeeds. Both are told as events', async () => {
    await givenWebhook(house, `${receiver.url}/exports`, { events: ['export.*'] });
    const [from, to] = today();
    await givenEvent(house, 'planted');
    const before = filesUnder(root);
    const obstacle = obstruct(join(LAKE, '.lakehook/staged', tenantId, 'exports/events_json'));
    const failed = await exported(house.api, from, to, { dataset: 'events', format: 'json' });
    expect(failed).toMatchObject({ status: 'failed', error: expect.stringContaining('events_json'), files: [], finished_at: expect.any(String) });
    rmSync(obstacle);
    await settled();
    expect(filesUnder(root)).toEqual(before);
    await house.api.post(`/v1/datalake/exports/${failed.export_id}/retry`).expect(202);
    const seen = await exportOf(house.api, failed.export_id);
    expect(seen).toMatchObject({ status: 'succeeded', error: null });
    const news = await receiver.received(2, '/exports');
    const about = { export_id: seen.export_id, dataset: 'events', format: 'json', from, to };
    expect(news.map(({ event: { event_type, data } }) => [event_type, data])).toEqual([
      ['export.failed', { ...about, error: failed.error }], ['export.completed', { ...about, row_count: seen.row_count, byte_count: seen.byte_count }],
    ]);
  });

  test('where files are to be shown is tried again for a while, then given up; what was shown by then is taken back', async () => {
    const [from, to] = ['2024-12-01', '2024-12-04'];
    rmSync(join(root, 'exports/cost_data_json'), { recursive: true, force: true });
    const obstacle = obstruct(join(root, 'exports/cost_data_json/year=2024/month=12/day=02'));
    const id = await givenExport(house.api, from, to, { format: 'json' });
    const { error } = await eventually('the first failure', async () => {
      const { body } = await house.api.get(`/v1/datalake/exports/${id}`).expect(200);
      return (body as SeenExport).error !== null && (body as SeenExport);
    });
    expect(error).toContain('day=02');
    const failed = await eventually('it to be given up', async () => {
      house.clock.advance(60_000);
      const { body } = await house.api.get(`/v1/datalake/exports/${id}`).expect(200);
      return (body as SeenExport).status === 'failed' && (body as SeenExport);
    }, 25_000);
    expect(failed).toMatchObject({ error, files: [] });
    await settled();
    expect(Object.keys(filesUnder(root)).filter((path) => path.startsWith('exports/cost_data_json/'))).toEqual(['exports/cost_data_json/year=2024/month=12/day=02']);
    rmSync(obstacle);
    await house.api.post(`/v1/datalake/exports/${id}/retry`).expect(202);
    expect(await exportOf(house.api, id)).toMatchObject({ status: 'succeeded', row_count: 15 });
    expect(brokenManifest(root, 'exports/cost_data_json')).toEqual([]);
  });

  test('where files were only to be shown and the obstacle goes, the export comes to its end by itself', async () => {
    rmSync(join(root, 'exports/cost_data_json'), { recursive: true, force: true });
    const obstacle = obstruct(join(root, 'exports/cost_data_json/year=2024/month=12/day=03'));
    const id = await givenExport(house.api, '2024-12-01', '2024-12-04', { format: 'json' });
    await eventually('the first failure', async () => (await house.sql('SELECT FROM exports WHERE export_id = $1 AND failures > 0', [id])).length > 0);
    rmSync(obstacle);
    house.clock.advance(60_000);
    expect(await exportOf(house.api, id)).toMatchObject({ status: 'succeeded', row_count: 15, error: null });
    expect(brokenManifest(root, 'exports/cost_data_json')).toEqual([]);
  });
});

async function exportedWith(service: string): Promise<SeenExport> {
  await house.sql("UPDATE cost_data SET service_name = $1 WHERE date = '2024-12-02'", [service]);
  return exported(house.api, '2024-12-02', '2024-12-03', { format: 'csv' });
}

describe('deleting', () => {
  const PREFIX = 'exports/cost_data_csv';
  const days = (): string[] => Object.keys(filesUnder(join(root, PREFIX))).map((path) => path.split('/').at(-1)!);

  test('a private export takes its whole folder with it', async () => {
    const before = filesUnder(root);
    const seen = await exported(house.api, '2024-12-01', '2024-12-04', { target: 'private' });
    await deleteExport(seen);
    expect(filesUnder(root)).toEqual(before);
    await house.api.get(`/v1/datalake/exports/${seen.export_id}`).expect(404);
    await house.api.delete(`/v1/datalake/exports/${seen.export_id}`).expect(404);
  });

  test('of a lake only the files that are still its own go: not those replaced since, nor those that a later export lists as well', async () => {
    const of = (from: string, to: string): Promise<SeenExport> => exported(house.api, from, to, { format: 'csv' });
    const first = await of('2024-12-01', '2024-12-04');
    await house.sql("UPDATE cost_data SET service_name = 'changed' WHERE date = '2024-12-02'");
    const second = await of('2024-12-02', '2024-12-04');
    expect(second.files.map(({ unchanged }) => unchanged)).toEqual([false, true]);
    await deleteExport(first);
    expect(days()).toEqual(['_manifest.json', 'costs_20241202.csv', 'costs_20241203.csv']);
    expect(brokenManifest(root, PREFIX)).toEqual([]);
    await deleteExport(second);
    expect(days()).toEqual([]);
  });

  test('what it wrote itself goes, though an earlier export once wrote the same', async () => {
    const [first, second, third] = [await exportedWith('one'), await exportedWith('other'), await exportedWith('one')];
    expect(third.files[0]!.sha256).toBe(first.files[0]!.sha256);
    await deleteExport(third);
    expect(days()).toEqual([]);
    for (const each of [first, second]) await deleteExport(each);
  });

  test('a file that somebody has put in place of its own stays', async () => {
    const seen = await exported(house.api, '2024-12-01', '2024-12-03', { format: 'csv' });
    writeFileSync(join(root, seen.files[0]!.key), 'theirs');
    await deleteExport(seen);
    expect(days()).toContain('costs_20241201.csv');
    rmSync(join(root, PREFIX), { recursive: true });
  });

  test('waits for an export that is changing the same lake', async () => {
    const seen = await exported(house.api, '2024-12-01', '2024-12-02', { format: 'csv' });
    const held = await holdCosts(house);
    const id = await givenExport(house.api, '2024-12-02', '2024-12-03', { format: 'csv' });
    await running(id);
    const refused = await house.api.delete(`/v1/datalake/exports/${seen.export_id}`).expect(409);
    expect(refused.body.detail).toContain('changing the same lake');
    await held.release();
    expect(await exportOf(house.api, id)).toMatchObject({ status: 'succeeded' });
    await deleteExport(seen);
    expect(brokenManifest(root, PREFIX)).toEqual([]);
  });

  test('what a process that died was deleting is deleted by the next one', async () => {
    const seen = await exported(house.api, '2024-12-01', '2024-12-02', { target: 'private' });
    await house.sql("UPDATE exports SET status = 'deleting', claimed_by = gen_random_uuid(), lease_until = now() - interval '1 second' WHERE export_id = $1", [seen.export_id]);
    await eventually('it to be gone', async () => (await house.sql('SELECT FROM exports WHERE export_id = $1', [seen.export_id])).length === 0);
    expect(Object.keys(filesUnder(root)).filter((path) => path.startsWith(seen.prefix))).toEqual([]);
  });
});

test('what callers do is on record: made, cancelled, tried again, deleted', async () => {
  const held = await holdCosts(house);
  const id = await givenExport(house.api, '2024-12-01', '2024-12-02', { target: 'private' });
  await house.api.post(`/v1/datalake/exports/${id}/cancel`).expect(200);
  await held.release();
  await house.api.post(`/v1/datalake/exports/${id}/retry`).expect(202);
  await exportOf(house.api, id);
  await house.api.delete(`/v1/datalake/exports/${id}`).expect(204);
  const { body } = await house.api.get(`/v1/audit-log?subject_id=${id}`).expect(200);
  expect(body.data.map(({ action }: { action: string }) => action)).toEqual(['export.deleted', 'export.retried', 'export.cancelled', 'export.created']);
});

test('an export is its tenant\'s own, and wants the scope of its dataset as well', async () => {
  const { export_id, prefix } = await exported(house.api, '2024-12-01', '2024-12-02');
  const other = house.as(await givenTenant(house));
  for (const [method, path] of [['get', ''], ['delete', ''], ['post', '/cancel'], ['post', '/retry']] as const) await other[method](`/v1/datalake/exports/${export_id}${path}`).expect(404);
  expect((await other.get('/v1/datalake/exports').expect(200)).body.data).toEqual([]);
  const theirs = await exported(other, '2024-12-01', '2024-12-02');
  expect(theirs).toMatchObject({ status: 'succeeded', prefix, row_count: 0 });
  expect(brokenManifest(root, prefix)).toEqual([]);
  const { key } = (await house.api.post('/v1/api-keys').send({ name: 'lake only', scopes: ['datalake:read', 'datalake:write'] }).expect(201)).body as { key: string };
  await house.as(key).post('/v1/datalake/exports').send({ dataset: 'cost_data', format: 'csv', from: '2024-12-01', to: '2024-12-02' }).expect(403);
  expect((await house.as(key).get(`/v1/datalake/exports/${export_id}`).expect(200)).body.files).toMatchObject([{ row_count: 5, sums: {} }]);
  expect(Object.keys((await house.api.get(`/v1/datalake/exports/${export_id}`).expect(200)).body.files[0].sums)).toContain('billed_cost');
});

test('private exports and those that came to nothing go after their retention, files and all; the lake stays', async () => {
  const lake = await exported(house.api, '2024-12-01', '2024-12-04');
  const mine = await exported(house.api, '2024-12-01', '2024-12-04', { target: 'private' });
  const young = await exported(house.api, '2024-12-01', '2024-12-04', { target: 'private' });
  // As if all but the last had ended before that.
  await house.sql("UPDATE exports SET finished_at = finished_at - interval '31 days' WHERE export_id <> $1", [young.export_id]);
  await house.app.get(ExportRetention, { strict: false }).reconcile();
  await settled();
  await house.api.get(`/v1/datalake/exports/${mine.export_id}`).expect(404);
  for (const { export_id } of [lake, young]) await house.api.get(`/v1/datalake/exports/${export_id}`).expect(200);
  for (const status of ['cancelled', 'failed']) expect((await house.api.get(`/v1/datalake/exports?status=${status}`).expect(200)).body.data).toEqual([]);
  const paths = Object.keys(filesUnder(root));
  expect([mine, young].map(({ prefix }) => paths.some((path) => path.startsWith(`${prefix}/`)))).toEqual([false, true]);
  expect(brokenManifest(root, lake.prefix)).toEqual([]);
});

test('what dead processes had staged goes after hours; what an export under way has staged stays', async () => {
  await settled();
  const { store, at } = await house.app.get(Places, { strict: false }).open({ tenantId, destinationId: null });
  const [orphan, kept] = [await store.stage(at('exports/cost_data/orphan.parquet'), bytes()), await store.stage(at('exports/cost_data/kept.parquet'), bytes())];
  const { export_id } = await exported(house.api, '2024-12-01', '2024-12-02', { target: 'private' });
  await house.sql("INSERT INTO export_files (export_id, key, partition, state, fingerprint, bytes, sha256, rows, sums, token) VALUES ($1, 'exports/cost_data/kept.parquet', '', 'staged', '', $2, $3, 0, '{}', $4)", [export_id, kept.bytes, kept.sha256, kept.token]);
  const retention = house.app.get(ExportRetention, { strict: false });
  await retention.sweep();
  expect(stagedUnder(LAKE)).toHaveLength(2);
  house.clock.advance(7 * 3_600_000);
  // One that has been at its only partition for hours has the first files of it on no record yet.
  const held = await holdCosts(house);
  const long = await givenExport(house.api, '2024-12-01', '2024-12-02', { target: 'private' });
  await running(long);
  await house.sql("UPDATE exports SET started_at = started_at - interval '7 hours' WHERE export_id = $1", [long]);
  await retention.sweep();
  expect(stagedUnder(LAKE)).toHaveLength(2);
  await held.release();
  await exportOf(house.api, long);
  await retention.sweep();
  expect(stagedUnder(LAKE).map((path) => path.includes('kept.parquet'))).toEqual([true]);
  await store.discard(kept);
  expect(orphan.bytes).toBeGreaterThan(0);
  store.close();
});

test('operators see exports by state, rows, bytes and time', async () => {
  const text = (await house.as().get('/metrics').expect(200)).text;
  expect(text).toMatch(/^lakehook_exports\{status="succeeded"\} [1-9]/m);
  expect(text).toMatch(/^lakehook_exported_rows_total\{dataset="cost_data",format="parquet"\} [1-9]/m);
  expect(text).toMatch(/^lakehook_exported_bytes_total\{dataset="cost_data",format="parquet"\} [1-9]/m);
  expect(text).toMatch(/^lakehook_export_seconds_count\{outcome="succeeded"\} [1-9]/m);
  expect(text).toMatch(/^lakehook_export_seconds_count\{outcome="failed"\} [1-9]/m);
});

async function* bytes(): AsyncGenerator<Uint8Array> {
  yield Buffer.from('bytes');
}
