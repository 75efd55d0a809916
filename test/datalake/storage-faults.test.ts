import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { eventually } from '../support/eventually.js';
import { useHouse } from '../support/house.js';
import { DENIED, INTERNAL, NO_SPACE, type S3Action, type S3Fault, useS3 } from '../support/s3.js';
import { brokenManifest, exported, filesUnder, givenCosts, givenExport, type SeenExport, sha256Of, stagedUnder } from './support.js';

/** What an export comes to when its storage fails, at each step of it: nothing that can be seen, or all of it. */

vi.setConfig({ testTimeout: 60_000 });

const DATA_DIR = mkdtempSync(join(tmpdir(), 'lakehook-faults-'));
const house = useHouse({ DATA_DIR, STORAGE_TIMEOUT_MS: '500' });
const s3 = useS3();
const RANGE = ['2024-03-01', '2024-03-04'] as const;
const [SECOND, LAST] = [/day=02/, /day=03/];
let destination: string;

beforeAll(() => givenCosts(house, RANGE[0], 3, 4));
afterAll(() => rmSync(DATA_DIR, { recursive: true, force: true }));
beforeEach(async () => {
  const { body } = await house.api.post('/v1/datalake/destinations').send({
    name: 'faulty', type: 's3', bucket: s3.bucket, region: s3.keys.region, endpoint: s3.endpoint, credentials: { access_key_id: s3.keys.accessKeyId, secret_access_key: s3.keys.secretAccessKey },
  }).expect(201);
  destination = body.destination_id;
});

const begin = (): Promise<string> => givenExport(house.api, ...RANGE, { destination_id: destination });
const seen = async (id: string): Promise<SeenExport> => (await house.api.get(`/v1/datalake/exports/${id}`).expect(200)).body;
/** The export once one of its tries has failed. */
const stumbled = (id: string): Promise<SeenExport> => eventually('a try to fail', async () => {
  const now = await seen(id);
  return now.error !== null && now;
}, 30_000);
/** The export at its end, with no wait between its tries. */
const ended = (id: string): Promise<SeenExport> => eventually('the export to end', async () => {
  const now = await seen(id);
  if (now.error !== null) house.clock.advance(61_000);
  return now.status !== 'queued' && now.status !== 'running' && now;
}, 45_000);
/** Nothing staged is left, with no wait between the tries to remove it. */
const cleared = (): Promise<true> => eventually('what was staged to be gone', () => {
  house.clock.advance(301_000);
  return s3.uploads.size === 0 && true;
}, 30_000);
const failures = async (id: string): Promise<string[]> => {
  const { body } = await house.api.get('/v1/events?event_type=export.failed&limit=200').expect(200);
  return body.data.map(({ data }: { data: { export_id: string; error: string } }) => data).filter(({ export_id }: { export_id: string }) => export_id === id).map(({ error }: { error: string }) => error);
};

/** What is wrong in the bucket, as its manifest tells it. */
function brokenBucket(): string[] {
  const { 'exports/cost_data/_manifest.json': manifest, ...files } = Object.fromEntries(s3.objects) as Record<string, { body: Buffer }>;
  if (!manifest) return Object.keys(files).map((key) => `${key} is there without a manifest`);
  const listed = (JSON.parse(manifest.body.toString()) as { partitions: { files: { path: string; sha256: string }[] }[] }).partitions.flatMap((partition) => partition.files);
  const wrong = listed.filter(({ path, sha256 }) => !files[`exports/cost_data/${path}`] || sha256Of(files[`exports/cost_data/${path}`]!.body) !== sha256).map(({ path }) => `${path} is missing or another`);
  const known = new Set(listed.map(({ path }) => `exports/cost_data/${path}`));
  return [...wrong, ...Object.keys(files).filter((key) => !known.has(key)).map((key) => `${key} is not listed`)];
}

function expectWhole(end: SeenExport): void {
  expect(end).toMatchObject({ status: 'succeeded', error: null, row_count: 12 });
  expect([s3.objects.size, s3.uploads.size, brokenBucket()]).toEqual([4, 0, []]);
}

describe('while it is staged', () => {
  test.for<[string, S3Action, S3Fault, RegExp]>([
    ['500', 'UploadPart', INTERNAL, /500 InternalError/],
    ['nothing', 'UploadPart', 'hang', /in time/],
    ['by a reset', 'UploadPart', 'reset', /cannot be reached/],
  ])('a storage that answers %s is tried again, shows nothing meanwhile, and has all of it in the end', async ([, action, fault, words]) => {
    s3.fail(action, fault, { key: LAST });
    const id = await begin();
    expect(await stumbled(id)).toMatchObject({ status: 'running', error: expect.stringMatching(words), files: [] });
    expect(s3.objects.size).toBe(0);
    s3.heal();
    expectWhole(await ended(id));
    const begun = s3.requests.filter(({ action: asked, key }) => asked === 'CreateMultipartUpload' && !LAST.test(key));
    expect(begun).toHaveLength(2);
  });

  test('a storage that never recovers ends it with the reason, and nothing of it stays', async () => {
    s3.fail('UploadPart', INTERNAL, { key: SECOND });
    const id = await begin();
    expect(await ended(id)).toMatchObject({ status: 'failed', error: expect.stringContaining('500 InternalError'), files: [] });
    await cleared();
    expect(s3.objects.size).toBe(0);
    expect(await failures(id)).toEqual([expect.stringContaining('500 InternalError')]);
    s3.heal();
    expectWhole(await ended(await begin()));
  });

  test.for<[string, S3Fault, RegExp]>([['what it may not do', DENIED, /403 AccessDenied/], ['that it is full', NO_SPACE, /507 XMinioStorageFull/]])('a storage that says %s ends it at once', async ([, fault, words]) => {
    s3.fail('UploadPart', fault, { key: SECOND });
    const id = await begin();
    expect(await ended(id)).toMatchObject({ status: 'failed', error: expect.stringMatching(words) });
    expect(s3.requests.filter(({ action, key }) => action === 'CreateMultipartUpload' && SECOND.test(key))).toHaveLength(1);
    await cleared();
    expect(s3.objects.size).toBe(0);
    s3.heal();
    expectWhole(await ended(await begin()));
  });

  test('what could not be discarded is never seen, and discarded when the storage is back', async () => {
    s3.fail('UploadPart', DENIED, { key: LAST });
    s3.fail('AbortMultipartUpload', INTERNAL);
    expect(await ended(await begin())).toMatchObject({ status: 'failed' });
    expect(s3.uploads.size).toBeGreaterThanOrEqual(2);
    expect(s3.objects.size).toBe(0);
    s3.heal();
    await eventually('what is on record to be gone', () => {
      house.clock.advance(301_000);
      return [...s3.uploads.values()].every(({ key }) => LAST.test(key));
    });
  });

  test('the lake of before stays as it was, to the byte', async () => {
    expectWhole(await ended(await begin()));
    const before = new Map([...s3.objects].map(([key, { etag }]) => [key, etag]));
    await house.sql("UPDATE cost_data SET service_name = service_name || ' again' WHERE date BETWEEN '2024-03-01' AND '2024-03-03'");
    s3.fail('UploadPart', DENIED, { key: LAST });
    expect(await ended(await begin())).toMatchObject({ status: 'failed' });
    await cleared();
    expect(new Map([...s3.objects].map(([key, { etag }]) => [key, etag]))).toEqual(before);
    s3.heal();
    const end = await ended(await begin());
    expectWhole(end);
    expect(end.unchanged).toBe(false);
  });
});

describe('while it is published', () => {
  test.for<[string, S3Action, S3Fault, RegExp]>([
    ['a file', 'CompleteMultipartUpload', INTERNAL, SECOND],
    ['the manifest', 'PutObject', INTERNAL, /_manifest/],
  ])('a storage that fails over %s is asked again until all is there, and lists nothing before', async ([, action, fault, key]) => {
    s3.fail(action, fault, { key });
    const id = await begin();
    expect((await stumbled(id)).status).toBe('running');
    expect(s3.objects.has('exports/cost_data/_manifest.json')).toBe(false);
    s3.heal();
    expectWhole(await ended(id));
  });

  test.for<[S3Action, RegExp]>([['CompleteMultipartUpload', SECOND], ['PutObject', /_manifest/]])('an answer to %s that is lost is found out by looking', async ([action, key]) => {
    s3.fail(action, 'lost', { key, times: 1 });
    expectWhole(await ended(await begin()));
  });

  test('a storage that will not have it takes back what was shown', async () => {
    s3.fail('CompleteMultipartUpload', DENIED, { key: LAST });
    const id = await begin();
    expect(await ended(id)).toMatchObject({ status: 'failed', error: expect.stringContaining('403 AccessDenied') });
    await cleared();
    expect([...s3.objects.keys()]).toEqual([]);
    s3.heal();
    expectWhole(await ended(await begin()));
  });
});

test('a disk that is full fails the export with a word for it, keeps nothing, and takes the next one when there is room', async ({ skip, onTestFinished }) => {
  const { body } = await house.api.post('/v1/datalake/destinations').send({ name: 'small', type: 'disk', prefix: 'small' }).expect(201);
  const [{ tenant_id }] = (await house.sql<{ tenant_id: string }>('SELECT tenant_id FROM destinations WHERE destination_id = $1', [body.destination_id])) as [{ tenant_id: string }];
  const folder = join(DATA_DIR, 'destinations', tenant_id, 'small');
  mkdirSync(folder, { recursive: true });
  const mount = (options: string): unknown => execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder], { stdio: 'ignore' });
  try {
    mount('size=256k');
  } catch {
    skip('nobody may mount a disk here');
  }
  onTestFinished(() => void execFileSync('umount', ['-l', folder], { stdio: 'ignore' }));
  await givenCosts(house, '2024-04-01', 2, 1_000);
  const to = { destination_id: body.destination_id, format: 'csv' };
  expect(await exported(house.api, '2024-04-01', '2024-04-03', to)).toMatchObject({ status: 'failed', error: expect.stringContaining('ENOSPC'), files: [] });
  await eventually('what was staged to be gone', () => stagedUnder(folder).length === 0);
  expect(filesUnder(folder)).toEqual({});
  mount('remount,size=8m');
  expect(await exported(house.api, '2024-04-01', '2024-04-03', to)).toMatchObject({ status: 'succeeded', row_count: 2_000 });
  expect(brokenManifest(folder, 'exports/cost_data_csv')).toEqual([]);
});
