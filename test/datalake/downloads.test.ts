import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { givenTenant } from '../support/given.js';
import { ADMIN_KEY, useHouse } from '../support/house.js';
import { S3Server } from '../support/s3.js';
import { unzip } from '../support/unzip.js';
import { exported, givenCosts, givenExport, holdCosts, type SeenExport } from './support.js';

const DATA_DIR = mkdtempSync(join(tmpdir(), 'lakehook-downloads-'));
const house = useHouse({ DATA_DIR });
/** What it holds stays from test to test. */
const s3 = new S3Server();
let root: string;
/** One day, so one file. */
let single: SeenExport;
/** Three days. */
let several: SeenExport;

interface Answer {
  status: number;
  headers: Record<string, string | undefined>;
  body: Buffer;
}

/** Asks with bare HTTP: no client between that follows, decodes or repeats. */
function download(exportId: string, { query = '', headers = {}, method = 'GET', key = ADMIN_KEY }: { query?: string; headers?: Record<string, string>; method?: string; key?: string } = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    request(`${house.url}/v1/datalake/exports/${exportId}/download${query}`, { method, headers: { authorization: `Bearer ${key}`, ...headers } }, (response) => {
      const pieces: Buffer[] = [];
      response.on('data', (piece: Buffer) => pieces.push(piece));
      response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers as Answer['headers'], body: Buffer.concat(pieces) }));
      response.on('error', reject);
    }).on('error', reject).end();
  });
}

const whole = (): Buffer => readFileSync(join(root, single.files[0]!.key));
const problemOf = ({ body }: Answer): { code: string; detail: string; errors?: { pointer: string }[] } => JSON.parse(body.toString());
const sha256Of = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

beforeAll(async () => {
  const [{ tenant_id }] = (await house.sql<{ tenant_id: string }>('SELECT tenant_id FROM tenants')) as [{ tenant_id: string }];
  root = join(DATA_DIR, 'lake', tenant_id);
  await givenCosts(house, '2024-12-01', 3, 100);
  single = await exported(house.api, '2024-12-01', '2024-12-02', { format: 'csv', target: 'private' });
  several = await exported(house.api, '2024-12-01', '2024-12-04');
}, 60_000);
afterAll(() => rmSync(DATA_DIR, { recursive: true, force: true }));

describe('an export of one file', () => {
  test('comes as it is, under its name, with its checksum as etag', async () => {
    const { status, headers, body } = await download(single.export_id);
    const { sha256, bytes } = single.files[0]!;
    expect([status, body.equals(whole()), sha256Of(body)]).toEqual([200, true, sha256]);
    expect(headers).toMatchObject({
      etag: `"${sha256}"`, 'content-length': String(bytes), 'accept-ranges': 'bytes', 'content-type': 'text/csv; charset=utf-8', 'x-content-type-options': 'nosniff',
      'content-disposition': 'attachment; filename="costs_20241201.csv"', 'repr-digest': `sha-256=:${Buffer.from(sha256, 'hex').toString('base64')}:`,
    });
  });

  test('a HEAD says all of that and sends nothing, whatever range it names', async () => {
    const { headers: expected } = await download(single.export_id);
    const { status, headers, body } = await download(single.export_id, { method: 'HEAD', headers: { range: 'bytes=0-1' } });
    expect([status, body.length]).toEqual([200, 0]);
    for (const name of ['etag', 'content-length', 'accept-ranges', 'content-type', 'content-disposition']) expect(headers[name], name).toBe(expected[name]);
  });

  test.each<[string, (bytes: number) => [number, number]]>([
    ['bytes=0-0', () => [0, 1]],
    ['bytes=10-19', () => [10, 20]],
    ['bytes=100-', (bytes) => [100, bytes]],
    ['bytes=-7', (bytes) => [bytes - 7, bytes]],
    ['bytes=-99999999', (bytes) => [0, bytes]],
    ['bytes=5-99999999', (bytes) => [5, bytes]],
  ])('%s comes as that part', async (range, expected) => {
    const all = whole();
    const [from, to] = expected(all.length);
    const { status, headers, body } = await download(single.export_id, { headers: { range } });
    expect([status, body.equals(all.subarray(from, to))]).toEqual([206, true]);
    expect(headers).toMatchObject({ 'content-range': `bytes ${from}-${to - 1}/${all.length}`, 'content-length': String(to - from), etag: `"${single.files[0]!.sha256}"` });
  });

  test('a range behind the end is 416 and says how long the file is', async () => {
    const answer = await download(single.export_id, { headers: { range: 'bytes=99999999-' } });
    expect([answer.status, answer.headers['content-range'], problemOf(answer).code]).toEqual([416, `bytes */${single.files[0]!.bytes}`, 'range_not_satisfiable']);
    expect(answer.headers['content-disposition']).toBeUndefined();
  });

  test.each(['bytes=0-1,5-6', 'bytes=9-2', 'lines=1-2', 'bytes=x'])('%s is passed over: the whole file comes', async (range) => {
    const { status, body } = await download(single.export_id, { headers: { range } });
    expect([status, body.length]).toEqual([200, single.files[0]!.bytes]);
  });

  test('a download that broke off is resumed only of the very file it began with', async () => {
    const etag = `"${single.files[0]!.sha256}"`;
    expect((await download(single.export_id, { headers: { range: 'bytes=5-', 'if-range': etag } })).status).toBe(206);
    expect((await download(single.export_id, { headers: { range: 'bytes=5-', 'if-range': '"another"' } })).body.length).toBe(single.files[0]!.bytes);
  });

  test('who has it already is told so', async () => {
    const { status, headers, body } = await download(single.export_id, { headers: { 'if-none-match': `"x", W/"${single.files[0]!.sha256}"` } });
    expect([status, headers.etag, body.length]).toEqual([304, `"${single.files[0]!.sha256}"`, 0]);
    expect((await download(single.export_id, { headers: { 'if-none-match': '"x"' } })).status).toBe(200);
  });
});

describe('an export of several files', () => {
  test('comes as a zip of all of them, by their folders', async () => {
    const { status, headers, body } = await download(several.export_id);
    expect([status, headers['content-type'], headers['content-disposition'], headers['accept-ranges']]).toEqual([200, 'application/zip', 'attachment; filename="cost_data_2024-12-01_2024-12-04.zip"', 'none']);
    const members = unzip(body);
    expect(members.map(({ name, method, data }) => [name, method, sha256Of(data)])).toEqual(several.files.map(({ key, sha256 }) => [key.slice(several.prefix.length + 1), 0, sha256]));
    expect(members[0]!.name).toBe('year=2024/month=12/day=01/costs_20241201.parquet');
  });

  test('a HEAD of the zip has no body, and a range of it is passed over', async () => {
    const head = await download(several.export_id, { method: 'HEAD' });
    expect([head.status, head.headers['content-type'], head.body.length]).toEqual([200, 'application/zip', 0]);
    expect((await download(several.export_id, { headers: { range: 'bytes=0-9' } })).status).toBe(200);
  });

  test('text that is not compressed is in the zip', async () => {
    const csv = await exported(house.api, '2024-12-01', '2024-12-03', { format: 'csv', target: 'private' });
    const members = unzip((await download(csv.export_id)).body);
    expect(members.map(({ method, data }) => [method, sha256Of(data)])).toEqual(csv.files.map(({ sha256 }) => [8, sha256]));
  });

  test('one of them comes alone, by its key or its path from the prefix', async () => {
    const { key, sha256 } = several.files[1]!;
    for (const file of [key, key.slice(several.prefix.length + 1)]) {
      const { status, headers, body } = await download(several.export_id, { query: `?file=${encodeURIComponent(file)}`, headers: { range: 'bytes=0-3' } });
      expect([status, body.toString(), headers.etag]).toEqual([206, 'PAR1', `"${sha256}"`]);
    }
  });

  test.each(['nope', '../../../../etc/passwd', '_manifest.json', '/etc/passwd', '%00', 'exports/cost_data/../cost_data/x', '.lakehook/lock'])('%s is none of them', async (file) => {
    expect((await download(several.export_id, { query: `?file=${encodeURIComponent(file)}` })).status).toBe(404);
  });
});

test('a file that was replaced since is refused rather than sent as if it were the one', async () => {
  const before = await exported(house.api, '2024-12-01', '2024-12-03', { format: 'json' });
  await house.sql(`UPDATE cost_data SET provider = 'gcp' WHERE date = '2024-12-02'`);
  const after = await exported(house.api, '2024-12-02', '2024-12-03', { format: 'json' });
  for (const query of ['', `?file=${encodeURIComponent(before.files[1]!.key)}`]) {
    const answer = await download(before.export_id, { query });
    expect([answer.status, problemOf(answer).detail.includes('replaced')], query).toEqual([409, true]);
  }
  expect((await download(before.export_id, { query: `?file=${encodeURIComponent(before.files[0]!.key)}` })).status).toBe(200);
  expect((await download(after.export_id)).status).toBe(200);
});

test('a file that somebody changed or removed is refused', async () => {
  const mine = await exported(house.api, '2024-12-01', '2024-12-03', { target: 'private', columns: ['date'] });
  const path = join(root, mine.files[0]!.key);
  writeFileSync(path, Buffer.alloc(mine.files[0]!.bytes));
  expect((await download(mine.export_id)).status).toBe(409);
  rmSync(path);
  for (const method of ['GET', 'HEAD']) expect((await download(mine.export_id, { method })).status).toBe(409);
});

test('an export that has not succeeded, or of no rows, has nothing to download', async () => {
  const held = await holdCosts(house);
  const id = await givenExport(house.api, '2024-12-01', '2024-12-02', { target: 'private' });
  const running = await download(id);
  await house.api.post(`/v1/datalake/exports/${id}/cancel`).expect(200);
  await held.release();
  expect([running.status, problemOf(running).code]).toEqual([409, 'conflict']);
  expect((await download(id)).status).toBe(409);
  const empty = await exported(house.api, '2023-01-01', '2023-01-02', { target: 'private' });
  expect([empty.status, (await download(empty.export_id)).status]).toEqual(['succeeded', 409]);
});

test('who may not read the dataset, or is another tenant, downloads nothing of it', async () => {
  const keyWith = async (scopes: string[]): Promise<string> => (await house.api.post('/v1/api-keys').send({ name: 'k', scopes }).expect(201)).body.key;
  expect((await download(single.export_id, { key: await keyWith(['datalake:read']) })).status).toBe(403);
  expect((await download(single.export_id, { key: await keyWith(['cost:read']) })).status).toBe(403);
  expect((await download(single.export_id, { key: await keyWith(['datalake:read', 'cost:read']) })).status).toBe(200);
  expect((await download(single.export_id, { key: await givenTenant(house) })).status).toBe(404);
  expect((await download('019ad000-0000-7000-8000-000000000000')).status).toBe(404);
  expect((await download('x')).status).toBe(404);
});

describe('held in a bucket', () => {
  let held: SeenExport;

  beforeEach(() => s3.heal());
  afterAll(() => s3.stop());
  beforeAll(async () => {
    await s3.start();
    const { bucket, keys: { region, ...credentials } } = s3;
    const { body } = await house.api.post('/v1/datalake/destinations').send({ name: 'bucket', type: 's3', bucket, region, endpoint: s3.endpoint, path_style: true, prefix: 'a/prefix', credentials: { access_key_id: credentials.accessKeyId, secret_access_key: credentials.secretAccessKey } }).expect(201);
    held = await exported(house.api, '2024-12-01', '2024-12-04', { destination_id: body.destination_id });
    expect(held).toMatchObject({ status: 'succeeded', row_count: 300 });
  });
  const first = (): string => `?file=${encodeURIComponent(held.files[0]!.key)}`;

  test('a file comes through, in parts too, and several as a zip', async () => {
    const { body } = await download(held.export_id, { query: first() });
    expect(sha256Of(body)).toBe(held.files[0]!.sha256);
    const part = await download(held.export_id, { query: first(), headers: { range: 'bytes=-4' } });
    expect([part.status, part.body.toString(), part.headers['content-range']]).toEqual([206, 'PAR1', `bytes ${body.length - 4}-${body.length - 1}/${body.length}`]);
    expect(unzip((await download(held.export_id)).body).map(({ data }) => sha256Of(data))).toEqual(held.files.map(({ sha256 }) => sha256));
  });

  test('a redirect leads to a link that needs no key of ours and saves under the file’s name', async () => {
    const { status, headers, body } = await download(held.export_id, { query: `${first()}&mode=redirect` });
    expect([status, headers['cache-control'], body.length]).toEqual([302, 'no-store', 0]);
    const link = new URL(headers.location!);
    expect(Number(link.searchParams.get('X-Amz-Expires'))).toBeLessThanOrEqual(300);
    expect(link.searchParams.get('response-content-disposition')).toBe('attachment; filename="costs_20241201.parquet"');
    expect(link.href).not.toContain(s3.keys.secretAccessKey);
    const linked = await fetch(link);
    expect([linked.status, sha256Of(Buffer.from(await linked.arrayBuffer()))]).toEqual([200, held.files[0]!.sha256]);
  });

  test('only one file can be redirected to, and only where there are links', async () => {
    const all = await download(held.export_id, { query: '?mode=redirect' });
    expect([all.status, problemOf(all).errors![0]!.pointer]).toEqual([422, '?file']);
    const disk = await download(single.export_id, { query: '?mode=redirect' });
    expect([disk.status, problemOf(disk).errors![0]!.pointer]).toEqual([422, '?mode']);
    expect((await download(single.export_id, { query: '?mode=teleport' })).status).toBe(422);
  });

  test('what breaks off in the middle is gone on with, so that nobody notices', async () => {
    const { sha256, bytes } = held.files[0]!;
    const gets = (): number => s3.requests.filter(({ action }) => action === 'GetObject').length;
    for (const [headers, from] of [[{}, 0], [{ range: 'bytes=10-' }, 10]] as const) {
      const before = gets();
      s3.fail('GetObject', 'truncated', { times: 2 });
      const { status, body } = await download(held.export_id, { query: first(), headers });
      expect([status, body.length, gets() - before]).toEqual([from ? 206 : 200, bytes - from, 3]);
      if (!from) expect(sha256Of(body)).toBe(sha256);
    }
    s3.fail('GetObject', 'truncated', { times: 1, key: /20241202/ });
    expect(unzip((await download(held.export_id)).body).map(({ data }) => sha256Of(data))).toEqual(held.files.map((file) => file.sha256));
  });

  test('but not with another file that has come in its place', async () => {
    const key = `a/prefix/${held.files[0]!.key}`;
    const object = s3.objects.get(key)!;
    s3.fail('GetObject', 'truncated', { times: 1 });
    // Replaced as soon as it has been asked for once.
    s3.objects.get = (asked) => {
      const found = Map.prototype.get.call(s3.objects, asked) as typeof object;
      if (asked === key) s3.objects.set(key, { ...object, etag: 'another', body: Buffer.alloc(object.body.length) });
      return found;
    };
    await expect(download(held.export_id, { query: first() })).rejects.toThrow('aborted');
    Reflect.deleteProperty(s3.objects, 'get');
    s3.objects.set(key, object);
  });

  test('a zip whose second file breaks off breaks the connection, and what came is no zip', async () => {
    s3.fail('GetObject', 'truncated', { key: /20241202/ });
    const pieces: Buffer[] = [];
    await expect(new Promise((resolve, reject) => {
      request(`${house.url}/v1/datalake/exports/${held.export_id}/download`, { headers: { authorization: `Bearer ${ADMIN_KEY}` } }, (response) => response.on('data', (piece: Buffer) => pieces.push(piece)).on('end', resolve).on('error', reject)).on('error', reject).end();
    })).rejects.toThrow('aborted');
    expect(() => unzip(Buffer.concat(pieces))).toThrow('no directory');
  });

  test('a bucket that refuses or does not answer is told as that', async () => {
    s3.fail('GetObject', { status: 403, code: 'AccessDenied' }, { times: 1 });
    const denied = await download(held.export_id, { query: first() });
    expect([denied.status, problemOf(denied).code]).toEqual([409, 'conflict']);
    s3.fail('GetObject', { status: 503, code: 'SlowDown' });
    const away = await download(held.export_id, { query: first() });
    expect([away.status, problemOf(away).code, Number(away.headers['retry-after'])]).toEqual([503, 'unavailable', 10]);
  });
});
