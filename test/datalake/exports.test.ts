import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { useHouse } from '../support/house.js';
import { brokenManifest, exported, exportOf, filesUnder, givenCosts, type SeenExport, stagedUnder } from './support.js';

const DATA_DIR = mkdtempSync(join(tmpdir(), 'lakehook-exports-'));
const house = useHouse({ DATA_DIR });
let tenantId: string;
/** What the tenant's files are under. */
let root: string;

beforeAll(async () => {
  tenantId = (await house.sql<{ tenant_id: string }>('SELECT tenant_id FROM tenants'))[0]!.tenant_id;
  root = join(DATA_DIR, 'lake', tenantId);
});
afterAll(() => rmSync(DATA_DIR, { recursive: true, force: true }));

const manifestOf = (prefix: string): { previous_sha256: string | null; export_id: string; row_count: number; partitions: { partition: string; export_id: string; row_count: number }[] } => JSON.parse(readFileSync(join(root, prefix, '_manifest.json'), 'utf8'));
const dayKey = (prefix: string, day: string, name: string): string => `${prefix}/year=${day.slice(0, 4)}/month=${day.slice(5, 7)}/day=${day.slice(8)}/${name}`;

test('an export writes one file per day with rows, lists them in a manifest, and leaves nothing else', async () => {
  await givenCosts(house, '2024-12-01', 2, 3);
  await givenCosts(house, '2024-12-04', 1, 4);
  const { body: queued } = await house.api.post('/v1/datalake/exports').send({ dataset: 'cost_data', format: 'parquet', from: '2024-12-01', to: '2024-12-06' }).expect(202);
  expect(queued).toMatchObject({ status: 'queued', progress: 0, target: 'lake', compression: 'zstd', partition_by: ['year', 'month', 'day'], columns: null, filter: null, destination_id: null, prefix: 'exports/cost_data' });
  const seen = await exportOf(house.api, queued.export_id);
  expect(seen).toMatchObject({ status: 'succeeded', progress: 1, row_count: 10, total_row_count: 10, unchanged: false, error: null });
  expect(seen.files.map(({ key, partition, row_count }) => [key, partition, row_count])).toEqual([
    ['exports/cost_data/year=2024/month=12/day=01/costs_20241201.parquet', '2024-12-01', 3],
    ['exports/cost_data/year=2024/month=12/day=02/costs_20241202.parquet', '2024-12-02', 3],
    ['exports/cost_data/year=2024/month=12/day=04/costs_20241204.parquet', '2024-12-04', 4],
  ]);
  for (const { key, bytes, sha256 } of seen.files) expect([statSync(join(root, key)).size, filesUnder(root)[key]]).toEqual([bytes, sha256]);
  expect(seen.byte_count).toBe(seen.files.reduce((sum, { bytes }) => sum + bytes, 0));
  expect(manifestOf(seen.prefix)).toMatchObject({ dataset: 'cost_data', format: 'parquet', row_count: 10, export_id: seen.export_id, previous_sha256: null, sums: { billed_cost: '22.000000000000000000010' } });
  expect(Object.keys(filesUnder(root))).toHaveLength(4);
  expect([brokenManifest(root, seen.prefix), stagedUnder(join(DATA_DIR, 'lake'))]).toEqual([[], []]);
});

const inRange = (): Record<string, string> => Object.fromEntries(Object.entries(filesUnder(root)).filter(([path]) => path.includes('month=10/')));
const unchanged = ({ files }: SeenExport): [string, boolean][] => files.map(({ partition, unchanged: is }) => [partition, is]);

describe('again over the same days', () => {
  const RANGE = ['2024-10-01', '2024-11-01'] as const;
  const PREFIX = 'exports/cost_data';
  const again = (): Promise<SeenExport> => exported(house.api, ...RANGE);
  let before: SeenExport;

  beforeAll(async () => {
    await givenCosts(house, '2024-10-01', 3, 5);
    before = await again();
  });

  test('nothing is written and the answer says so when nothing has changed', async () => {
    const [files, manifest] = [inRange(), readFileSync(join(root, PREFIX, '_manifest.json'), 'utf8')];
    const seen = await again();
    expect(seen).toMatchObject({ status: 'succeeded', unchanged: true, row_count: 15, byte_count: before.byte_count });
    expect(seen.files).toEqual(before.files.map((file) => ({ ...file, unchanged: true })));
    expect([inRange(), readFileSync(join(root, PREFIX, '_manifest.json'), 'utf8')]).toEqual([files, manifest]);
  });

  test('rows written anew with the same values give the same bytes, and count as unchanged', async () => {
    const files = inRange();
    const inode = statSync(join(root, before.files[0]!.key)).ino;
    await house.sql("UPDATE cost_data SET provider = provider WHERE date = '2024-10-01'");
    expect(await again()).toMatchObject({ unchanged: true });
    expect([inRange(), statSync(join(root, before.files[0]!.key)).ino]).toEqual([files, inode]);
  });

  test('only the day that changed is written, and the manifest keeps who wrote the others', async () => {
    await house.sql("UPDATE cost_data SET service_name = 'another' WHERE date = '2024-10-02'");
    const seen = await again();
    expect([seen.unchanged, unchanged(seen)]).toEqual([false, [['2024-10-01', true], ['2024-10-02', false], ['2024-10-03', true]]]);
    const { partitions } = manifestOf(PREFIX);
    expect(partitions.filter(({ partition }) => partition >= RANGE[0] && partition < RANGE[1]).map(({ partition, export_id }) => [partition, export_id])).toEqual([['2024-10-01', before.export_id], ['2024-10-02', seen.export_id], ['2024-10-03', before.export_id]]);
    expect(brokenManifest(root, PREFIX)).toEqual([]);
  });

  test('a day that has no rows any more loses its files, and other days of the lake stay', async () => {
    const others = Object.keys(filesUnder(root)).filter((path) => !path.includes('month=10/'));
    await house.sql("DELETE FROM cost_data WHERE date = '2024-10-03'");
    const seen = await again();
    expect([seen.unchanged, unchanged(seen)]).toEqual([false, [['2024-10-01', true], ['2024-10-02', true]]]);
    expect(Object.keys(inRange())).toEqual(seen.files.map(({ key }) => key));
    expect(Object.keys(filesUnder(root)).filter((path) => !path.includes('month=10/'))).toEqual(others);
    expect(brokenManifest(root, PREFIX)).toEqual([]);
  });

  test('days that Postgres has dropped stay in the lake as they are, files and manifest', async () => {
    await givenCosts(house, '2024-01-30', 3, 4);
    const whole = await exported(house.api, '2024-01-30', '2024-02-02', { format: 'json' });
    const files = filesUnder(root);
    await house.sql('DROP TABLE cost_data_202401');
    const seen = await exported(house.api, '2000-01-01', '2024-03-01', { format: 'json' });
    expect(seen.files.map(({ partition }) => partition)).toEqual(['2024-02-01']);
    expect(seen).toMatchObject({ unchanged: true, row_count: 4 });
    expect(whole.files).toHaveLength(3);
    expect(filesUnder(root)).toEqual(files);
    expect(brokenManifest(root, seen.prefix)).toEqual([]);
  });

  test('parts of before and other extensions go with the day that is replaced; what is not ours stays', async () => {
    const stale = ['costs_20241002_part2.parquet', 'costs_20241002.csv.gz'].map((name) => dayKey(PREFIX, '2024-10-02', name));
    const foreign = dayKey(PREFIX, '2024-10-02', 'notes.txt');
    for (const key of [...stale, foreign]) writeFileSync(join(root, key), 'x');
    expect(await again()).toMatchObject({ unchanged: false });
    expect(Object.keys(inRange())).toEqual([dayKey(PREFIX, '2024-10-01', 'costs_20241001.parquet'), dayKey(PREFIX, '2024-10-02', 'costs_20241002.parquet'), foreign]);
    rmSync(join(root, foreign));
  });

  test.for([['is gone', (path: string) => rmSync(path)], ['was changed by somebody', (path: string) => writeFileSync(path, 'another content')]] as const)('a file that %s is written again', async ([, harm]) => {
    const files = inRange();
    harm(join(root, dayKey(PREFIX, '2024-10-01', 'costs_20241001.parquet')));
    const seen = await again();
    expect(unchanged(seen)).toEqual([['2024-10-01', false], ['2024-10-02', true]]);
    expect(inRange()).toEqual(files);
    expect(brokenManifest(root, PREFIX)).toEqual([]);
  });

  test('without its manifest the lake is written again, to the same bytes', async () => {
    const files = inRange();
    rmSync(join(root, PREFIX, '_manifest.json'));
    expect(await again()).toMatchObject({ unchanged: false });
    expect(inRange()).toEqual(files);
    await exported(house.api, '2024-12-01', '2024-12-06');
    expect(brokenManifest(root, PREFIX)).toEqual([]);
  });

  test('a manifest that is none of ours fails the export, and nothing is touched', async () => {
    const path = join(root, PREFIX, '_manifest.json');
    const [files, text] = [inRange(), readFileSync(path)];
    writeFileSync(path, '{"somebody": "else"}');
    expect(await again()).toMatchObject({ status: 'failed', error: expect.stringContaining('_manifest.json is no manifest of Lakehook'), files: [] });
    expect(inRange()).toEqual(files);
    writeFileSync(path, text);
  });
});

test.for([
  ['csv', 'none', 'exports/cost_data_csv', 'costs_20240901.csv'], ['csv', 'gzip', 'exports/cost_data_csv', 'costs_20240901.csv.gz'], ['csv', 'zstd', 'exports/cost_data_csv', 'costs_20240901.csv.zst'],
  ['json', 'none', 'exports/cost_data_json', 'costs_20240901.json'], ['json', 'gzip', 'exports/cost_data_json', 'costs_20240901.json.gz'], ['parquet', 'snappy', 'exports/cost_data', 'costs_20240901.parquet'],
] as const)('%s with %s has a prefix of its own and replaces the day in it', async ([format, compression, prefix, name]) => {
  if ((await house.sql("SELECT FROM cost_data WHERE date = '2024-09-01'")).length === 0) await givenCosts(house, '2024-09-01', 1, 2);
  const seen = await exported(house.api, '2024-09-01', '2024-09-02', { format, compression });
  expect([seen.prefix, seen.files.map(({ key }) => key)]).toEqual([prefix, [dayKey(prefix, '2024-09-01', name)]]);
  expect(Object.keys(filesUnder(root)).filter((path) => path.startsWith(`${prefix}/`) && path.includes('month=09/'))).toEqual([dayKey(prefix, '2024-09-01', name)]);
  expect(brokenManifest(root, prefix)).toEqual([]);
});

describe('a private export', () => {
  beforeAll(() => givenCosts(house, '2024-07-31', 2, 7));

  test.for([
    [{ filter: { service_name: 'service 1' } }, ['year=2024/month=07/day=31/costs_20240731.parquet', 'year=2024/month=08/day=01/costs_20240801.parquet'], 2],
    [{ columns: ['service_name', 'date'] }, ['year=2024/month=07/day=31/costs_20240731.parquet', 'year=2024/month=08/day=01/costs_20240801.parquet'], 14],
    [{ target: 'private', partition_by: ['year', 'month'] }, ['year=2024/month=07/costs_202407.parquet', 'year=2024/month=08/costs_202408.parquet'], 14],
    [{ partition_by: ['year'] }, ['year=2024/costs_2024.parquet'], 14],
    [{ partition_by: [], format: 'csv', formula_safe: true }, ['costs.csv'], 14],
  ] as const)('with %j has its own folder and manifest, and touches nothing else', async ([more, paths, rows]) => {
    const before = filesUnder(root);
    const seen = await exported(house.api, '2024-07-31', '2024-08-02', more);
    expect(seen).toMatchObject({ status: 'succeeded', target: 'private', prefix: `exports/_private/${seen.export_id}/cost_data`, row_count: rows, unchanged: false });
    expect(seen.files.map(({ key }) => key)).toEqual(paths.map((path) => `${seen.prefix}/${path}`));
    expect(brokenManifest(root, seen.prefix)).toEqual([]);
    const after = filesUnder(root);
    expect(Object.fromEntries(Object.entries(after).filter(([path]) => !path.startsWith(seen.prefix)))).toEqual(before);
  });

  test('of no rows at all succeeds with an empty manifest', async () => {
    const seen = await exported(house.api, '2001-01-01', '2001-02-01', { target: 'private' });
    expect([seen.status, seen.row_count, seen.files]).toEqual(['succeeded', 0, []]);
    expect(Object.keys(filesUnder(join(root, seen.prefix)))).toEqual(['_manifest.json']);
  });
});

test.for([
  [{ dataset: 'costs' }, ['/dataset']],
  [{ dataset: '../../etc' }, ['/dataset']],
  [{ format: 'xlsx' }, ['/format']],
  [{ format: 'csv', compression: 'snappy' }, ['/compression']],
  [{ compression: 'brotli' }, ['/compression']],
  [{ from: '2024-13-01' }, ['/from']],
  [{ from: '2024-12-02', to: '2024-12-01' }, ['/to']],
  [{ from: '2024-12-01', to: '2024-12-01' }, ['/to']],
  [{ from: '1990-01-01', to: '2124-12-01' }, ['/to']],
  [{ columns: ['provider', 'x"; DROP TABLE exports --'] }, ['/columns/1']],
  [{ filter: { provider: { like: '%' } } }, ['/filter/provider/like']],
  [{ filter: { billed_cost: { gte: '1; SELECT 1' } } }, ['/filter/billed_cost/gte']],
  [{ partition_by: ['day'] }, ['/partition_by']],
  [{ partition_by: ['hour'] }, ['/partition_by']],
  [{ target: 'lake', columns: ['provider'] }, ['/target']],
  [{ target: 'public' }, ['/target']],
  [{ destination_id: '019ad000-0000-7000-8000-000000000000' }, ['/destination_id']],
  [{ destination_id: 'disk' }, ['/destination_id']],
  [{ prefix: '/etc' }, ['/prefix']],
  [{ dataset: 'costs', compression: 'gzip', format: 'json', from: 'x', partition_by: ['month'], destination_id: '019ad000-0000-7000-8000-000000000000' }, ['/dataset', '/partition_by', '/from', '/destination_id']],
] as const)('%j is refused with what is wrong', async ([more, pointers]) => {
  const { body } = await house.api.post('/v1/datalake/exports').send({ dataset: 'cost_data', format: 'parquet', from: '2024-12-01', to: '2024-12-02', ...more }).expect(422);
  expect(body.errors.map(({ pointer }: { pointer: string }) => pointer)).toEqual(pointers);
});

test('a request repeated under its Idempotency-Key makes one export', async () => {
  const send = (): Promise<{ body: SeenExport }> => house.api.post('/v1/datalake/exports').set('idempotency-key', 'nightly-1').send({ dataset: 'cost_data', format: 'json', from: '2024-12-01', to: '2024-12-02' }).expect(202) as never;
  const [first, second] = [await send(), await send()];
  expect(second.body.export_id).toBe(first.body.export_id);
  await house.sql("DELETE FROM idempotency_keys WHERE key = 'nightly-1'");
  expect((await send()).body.export_id).toBe(first.body.export_id);
  await exportOf(house.api, first.body.export_id);
});

test('exports are listed newest first, by page and filter, without their files', async () => {
  const { body: all } = await house.api.get('/v1/datalake/exports?limit=200').expect(200);
  expect(all.data.length).toBeGreaterThan(10);
  expect(all.data.map(({ created_at }: { created_at: string }) => created_at)).toEqual(all.data.map(({ created_at }: { created_at: string }) => created_at).toSorted().toReversed());
  expect(all.data.some((each: object) => 'files' in each)).toBe(false);
  const { body: page } = await house.api.get('/v1/datalake/exports?limit=2').expect(200);
  const { body: next } = await house.api.get(`/v1/datalake/exports?limit=2&cursor=${page.next_cursor}`).expect(200);
  expect([...page.data, ...next.data].map(({ export_id }: SeenExport) => export_id)).toEqual(all.data.slice(0, 4).map(({ export_id }: SeenExport) => export_id));
  for (const [query, filter] of [['status=failed', { status: 'failed' }], ['target=private', { target: 'private' }], ['format=csv', { format: 'csv' }]] as const) {
    const { body } = await house.api.get(`/v1/datalake/exports?limit=200&${query}`).expect(200);
    expect(body.data).toEqual(all.data.filter((each: object) => Object.entries(filter).every(([name, value]) => each[name as never] === value)));
    expect(body.data.length).toBeGreaterThan(0);
  }
  await house.api.get('/v1/datalake/exports?status=publishing').expect(422);
});
