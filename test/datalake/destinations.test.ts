import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Destinations } from '../../src/datalake/destinations/destinations.js';
import { openStore, type StoreSettings } from '../../src/platform/index.js';
import { withClient } from '../support/database.js';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/free-port.js';
import { givenTenant } from '../support/given.js';
import { type Api, useHouse } from '../support/house.js';
import { DENIED, INTERNAL, NO_SPACE, type S3Action, type S3Fault, useS3 } from '../support/s3.js';
import { exported } from './support.js';

const MASK = '********';
const dataDir = mkdtempSync(join(tmpdir(), 'lakehook-destinations-'));
const house = useHouse({ DATA_DIR: dataDir });
const s3 = useS3();
afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

let tenantId: string;
let other: Api;
let otherId: string;
beforeAll(async () => {
  other = house.as(await givenTenant(house));
  [tenantId, otherId] = (await house.sql<{ tenant_id: string }>('SELECT tenant_id FROM tenants ORDER BY tenant_id')).map(({ tenant_id }) => tenant_id) as [string, string];
});

const destinations = () => house.app.get(Destinations, { strict: false });
const PATH = '/v1/datalake/destinations';
const keys = () => ({ access_key_id: s3.keys.accessKeyId, secret_access_key: s3.keys.secretAccessKey });
const bucket = (more: object = {}) => ({ name: 'lake', type: 's3', bucket: s3.bucket, region: s3.keys.region, endpoint: s3.endpoint, credentials: keys(), ...more });
const given = async (body: object = bucket(), api = house.api): Promise<string> => (await api.post(PATH).send(body).expect(201)).body.destination_id;
const pointersOf = async (request: PromiseLike<{ status: number; body: { errors: { pointer: string }[] } }>): Promise<string[]> => {
  const { status, body } = await request;
  expect(status, JSON.stringify(body)).toBe(422);
  return body.errors.map(({ pointer }) => pointer);
};

interface Tried { ok: boolean; steps: { step: string; status: string; reason: string | null; permission: string | null; error: string | null }[]; missing_permissions: string[]; conditional_writes: boolean | null }
const tried = async (id: string, api = house.api): Promise<Tried> => (await api.post(`${PATH}/${id}/test`).expect(200)).body;
const statuses = ({ steps }: Tried) => Object.fromEntries(steps.map(({ step, status }) => [step, status]));
const ALL_OK = { write: 'ok', multipart: 'ok', read: 'ok', list: 'ok', list_uploads: 'ok', abort: 'ok', delete: 'ok' };

describe('a destination', () => {
  test('is made, read, listed, changed, replaced and deleted', async () => {
    const { body } = await house.api.post(PATH).send(bucket({ prefix: 'prod/', server_side_encryption: { type: 'AES256' } })).expect(201);
    expect(body).toEqual({
      destination_id: expect.any(String), name: 'lake', type: 's3', bucket: 'lake', prefix: 'prod', region: 'eu-test-1', endpoint: s3.endpoint, path_style: true, server_side_encryption: { type: 'AES256' },
      credentials: { access_key_id: MASK, secret_access_key: MASK }, access_key_hint: '…TEST', created_at: expect.any(String), updated_at: expect.any(String),
    });
    const path = `${PATH}/${body.destination_id}`;
    expect((await house.api.get(path).expect(200)).body).toEqual(body);
    expect((await house.api.get(`${PATH}?limit=1`).expect(200)).body.data).toEqual([body]);
    expect((await house.api.patch(path).send({ name: 'two', server_side_encryption: null }).expect(200)).body).toMatchObject({ name: 'two', prefix: 'prod', server_side_encryption: null, credentials: body.credentials });
    const { credentials: _, ...bare } = bucket({ name: 'three' }) as Record<string, unknown>;
    expect((await house.api.put(path).send(bare).expect(200)).body).toMatchObject({ name: 'three', prefix: '', credentials: body.credentials });
    expect((await tried(body.destination_id)).ok).toBe(true);
    await house.api.delete(path).expect(204);
    await house.api.get(path).expect(404);
    await house.api.post(`${path}/test`).expect(404);
  });

  test('that was read can be written again, and keeps its credentials', async () => {
    const id = await given(bucket({ credentials: { ...keys(), session_token: 'planted' } }));
    const { destination_id, access_key_hint, created_at, updated_at, ...fields } = (await house.api.get(`${PATH}/${id}`).expect(200)).body;
    expect(fields.credentials).toEqual({ access_key_id: MASK, secret_access_key: MASK, session_token: MASK });
    expect((await house.api.put(`${PATH}/${id}`).send(fields).expect(200)).body).toMatchObject({ destination_id, access_key_hint, created_at, ...fields });
    expect(updated_at).toBeDefined();
    const { settings } = await destinations().storeOf(tenantId, id);
    expect(settings).toMatchObject({ credentials: { accessKeyId: s3.keys.accessKeyId, secretAccessKey: s3.keys.secretAccessKey, sessionToken: 'planted' } });
  });

  test('shows its credentials in no answer, row or audit record', async () => {
    const planted = { access_key_id: 'PLANTED0000000000001', secret_access_key: 'PLANTED/secret+key', session_token: 'PLANTED-token' };
    const id = await given(bucket({ credentials: planted }));
    const answers = [await house.api.get(`${PATH}/${id}`), await house.api.get(PATH), await house.api.patch(`${PATH}/${id}`).send({ credentials: { ...planted, session_token: 'PLANTED-other' } }), await house.api.post(`${PATH}/${id}/test`)].map(({ text }) => text);
    for (const table of ['destinations', 'audit_log']) answers.push(JSON.stringify(await house.sql(`SELECT t::text FROM ${table} t`)));
    for (const text of answers) expect(text).not.toContain('PLANTED');
    await house.api.delete(`${PATH}/${id}`).expect(204);
    const { data } = (await house.api.get(`/v1/audit-log?subject_id=${id}`).expect(200)).body;
    expect(data.map(({ action }: { action: string }) => action)).toEqual(['destination.deleted', 'destination.changed', 'destination.created']);
    expect(data[1].after).toEqual({ fields: ['credentials'] });
  });

  test('takes its credentials nowhere else: another endpoint wants them anew', async () => {
    const id = await given();
    const path = `${PATH}/${id}`;
    const elsewhere = { endpoint: 'http://127.0.0.1:9' };
    expect(await pointersOf(house.api.patch(path).send(elsewhere))).toEqual(['/endpoint']);
    expect(await pointersOf(house.api.patch(path).send({ endpoint: null }))).toEqual(['/endpoint']);
    for (const masked of [{ access_key_id: MASK, secret_access_key: MASK }, { access_key_id: MASK, secret_access_key: 'new' }]) expect(await pointersOf(house.api.patch(path).send({ ...elsewhere, credentials: masked }))).toEqual(['/credentials']);
    await house.api.put(path).send(bucket(elsewhere)).expect(200);
    expect(await pointersOf(house.api.put(path).send(bucket({ credentials: undefined })))).toEqual(['/endpoint']);
    expect(await pointersOf(house.api.patch(path).send({ credentials: { access_key_id: 'AKIAANOTHER', secret_access_key: MASK } }))).toEqual(['/credentials/secret_access_key']);
  });

  test('without credentials uses those of the machine, which are not for tenants who are guests', async () => {
    const id = await given(bucket({ credentials: null }));
    const { settings } = await destinations().storeOf(tenantId, id);
    expect(settings).not.toHaveProperty('credentials');
    expect(await pointersOf(other.post(PATH).send(bucket({ credentials: null })))).toEqual(['/credentials']);
    expect(await pointersOf(other.post(PATH).send(bucket({ credentials: undefined })))).toEqual(['/credentials']);
    const theirs = await given(bucket(), other);
    expect(await pointersOf(other.patch(`${PATH}/${theirs}`).send({ credentials: null }))).toEqual(['/credentials']);
    await other.patch(`${PATH}/${theirs}`).send({ name: 'keeps its own' }).expect(200);
  });

  test('stays of the type that it was made', async () => {
    const id = await given({ name: 'disk', type: 'disk' });
    expect(await pointersOf(house.api.put(`${PATH}/${id}`).send(bucket()))).toEqual(['/type']);
    expect(await pointersOf(house.api.patch(`${PATH}/${id}`).send({ type: 's3', bucket: 'lake', region: 'eu-1' }))).toEqual(['/type']);
  });

  test('that something refers to is not deleted', async () => {
    const id = await given();
    const path = `${PATH}/${id}`;
    await house.sql('CREATE TABLE refers (tenant_id uuid, destination_id uuid, FOREIGN KEY (tenant_id, destination_id) REFERENCES destinations (tenant_id, destination_id))');
    await house.sql('INSERT INTO refers VALUES ($1, $2)', [tenantId, id]);
    expect((await house.api.delete(path).expect(409)).body).toMatchObject({ code: 'conflict', detail: expect.stringContaining('refer') });
    await house.api.get(path).expect(200);
    await house.sql('DROP TABLE refers');
    await house.api.delete(path).expect(204);
  });

  test.each([
    ['an export', '/v1/datalake/exports', { from: '2001-01-01', to: '2001-02-01' }, '/destination_id', (options: object) => options],
    ['a schedule', '/v1/datalake/schedules', {}, '/export/destination_id', (options: object) => ({ name: 'x', cadence: 'daily', export: options })],
  ])('that goes away while %s is made with it is none', async (_, path, more, pointer, bodyOf) => {
    const id = await given({ name: 'disk', type: 'disk' });
    const answer = await withClient(house.databaseUrl, async (client) => {
      await client.query('BEGIN');
      await client.query('DELETE FROM destinations WHERE destination_id = $1', [id]);
      const asked = pointersOf(house.api.post(path).send(bodyOf({ dataset: 'cost_data', format: 'csv', destination_id: id, ...more })));
      await eventually('it to wait', async () => (await house.sql("SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")).length > 0);
      await client.query('COMMIT');
      return asked;
    });
    expect(answer).toEqual([pointer]);
  });

  test('that exports have their files in stays where it is, and is not deleted before them', async () => {
    const id = await given();
    const path = `${PATH}/${id}`;
    const { export_id } = await exported(house.api, '2001-01-01', '2001-02-01', { destination_id: id, target: 'private' });
    for (const elsewhere of [{ bucket: 'other' }, { prefix: 'other' }]) expect((await house.api.patch(path).send(elsewhere).expect(409)).body.detail).toContain('stay');
    await house.api.put(path).send(bucket({ prefix: 'other' })).expect(409);
    await house.api.put(path).send(bucket({ name: 'renamed' })).expect(200);
    await house.api.delete(path).expect(409);
    await house.api.delete(`/v1/datalake/exports/${export_id}`);
    await eventually('the export to be gone', async () => (await house.api.get(`/v1/datalake/exports/${export_id}`)).status === 404);
    await eventually('nothing to refer to it', async () => (await house.api.delete(path)).status === 204);
    expect(s3.objects.size).toBe(0);
  });

  test('that cannot be used is refused with a new export, and the field is named', async () => {
    const id = await given(bucket({ bucket: 'nobody-has-it' }));
    const request = house.api.post('/v1/datalake/exports').send({ dataset: 'cost_data', format: 'parquet', from: '2001-01-01', to: '2001-02-01', destination_id: id });
    expect(await pointersOf(request)).toEqual(['/destination_id']);
  });

  test('of which the sealing key is gone says so, and takes other credentials', async () => {
    const id = await given();
    await house.sql("UPDATE destinations SET credentials = 'v1.00000000.' || split_part(credentials, '.', 3) WHERE destination_id = $1", [id]);
    expect((await house.api.get(`${PATH}/${id}`).expect(200)).body).toMatchObject({ credentials: null, access_key_hint: null });
    expect((await house.api.post(`${PATH}/${id}/test`).expect(409)).body.detail).toContain('SEALING_KEY');
    await house.api.patch(`${PATH}/${id}`).send({ credentials: keys() }).expect(200);
    expect((await tried(id)).ok).toBe(true);
  });

  test('beyond the hundredth is not made, however many come at once', async () => {
    await house.sql(`INSERT INTO destinations (destination_id, tenant_id, name, type, prefix, created_at, updated_at) SELECT gen_random_uuid(), $1, 'crowd', 'disk', '', now(), now() FROM generate_series(1, 98 - (SELECT count(*)::int FROM destinations WHERE tenant_id = $1))`, [otherId]);
    const answers = await Promise.all(Array.from({ length: 5 }, () => other.post(PATH).send({ name: 'one more', type: 'disk' })));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 201, 409, 409, 409]);
    await house.sql("DELETE FROM destinations WHERE name IN ('crowd', 'one more')");
  });
});

describe('saving', () => {
  test.each<[object, ...string[]]>([
    [{}, '/name', '/type'], [{ name: '', type: 'ftp' }, '/name', '/type'], [{ name: 'x', type: 's3' }, '/bucket', '/region'], [{ name: 'x', type: null }, '/type'],
    [{ name: 'x', type: 'disk', prefix: '../../etc', bucket: 'lake' }, '/prefix', '/bucket'], [{ name: 'x', type: 'disk', prefix: null }, '/prefix'], [{ name: 'x', type: 'disk', credentials: { access_key_id: 'abc', secret_access_key: 'x' } }, '/credentials'],
    [{ name: 'x', type: 's3', bucket: 'Lake', region: 'eu/1', prefix: '/a', path_style: 'yes', credentials: {}, server_side_encryption: { type: 'x' } }, '/prefix', '/bucket', '/region', '/path_style', '/server_side_encryption/type', '/credentials/access_key_id', '/credentials/secret_access_key'],
    [{ name: 'x', type: 'disk', path: '/etc' }, '/path'], [{ name: 'x', type: 'disk', folder: '/etc' }, '/folder'], [{ name: 'x', type: 's3', bucket: { constructor: 1 }, region: 'a' }, '/bucket'],
  ])('%j is refused at %s', async (body, ...pointers) => {
    expect(await pointersOf(house.api.post(PATH).send(body))).toEqual(pointers);
  });

  test.each(['http://169.254.169.254/', 'http://[fd00:ec2::254]/', 'ftp://x/', 'not a url', 'http://u:p@127.0.0.1/', 'http://127.0.0.1/#x', 'http://127.0.0.1/?x=1', 'http://0.0.0.0/', 'file:///etc/passwd'])('an endpoint %s is refused', async (endpoint) => {
    expect(await pointersOf(house.api.post(PATH).send(bucket({ endpoint })))).toEqual(['/endpoint']);
    const id = await given();
    expect(await pointersOf(house.api.patch(`${PATH}/${id}`).send({ endpoint, credentials: keys() }))).toEqual(['/endpoint']);
  });
});

describe('a test', () => {
  test('writes, reads, lists and deletes in a bucket, and leaves nothing behind', async () => {
    const found = await tried(await given(bucket({ prefix: 'prod' })));
    expect(found).toMatchObject({ ok: true, missing_permissions: [], conditional_writes: true });
    expect(statuses(found)).toEqual(ALL_OK);
    expect([s3.objects.size, s3.uploads.size]).toEqual([0, 0]);
    expect(s3.requests.filter(({ key }) => key !== '').every(({ key }) => key.startsWith('prod/exports/_probe/'))).toBe(true);
  });

  test('does the same in a folder of the disk, which lies under DATA_DIR', async () => {
    const id = await given({ name: 'disk', type: 'disk', prefix: 'a/b' });
    const found = await tried(id);
    expect([statuses(found), found.conditional_writes]).toEqual([ALL_OK, true]);
    expect(existsSync(join(dataDir, 'destinations', tenantId, 'a/b'))).toBe(true);
    expect(existsSync(join(dataDir, 'destinations', tenantId, 'a/b/exports'))).toBe(false);
  });

  test.each<[S3Action, string, object]>([
    ['PutObject', 's3:PutObject', { write: 'failed', read: 'skipped', delete: 'skipped' }],
    ['CreateMultipartUpload', 's3:PutObject', { multipart: 'failed', abort: 'skipped' }],
    ['GetObject', 's3:GetObject', { read: 'failed' }],
    ['ListObjectsV2', 's3:ListBucket', { list: 'failed' }],
    ['ListMultipartUploads', 's3:ListBucketMultipartUploads', { list_uploads: 'failed' }],
    ['AbortMultipartUpload', 's3:AbortMultipartUpload', { abort: 'failed' }],
    ['DeleteObject', 's3:DeleteObject', { delete: 'failed' }],
  ])('where %s is denied names %s', async (action, permission, steps) => {
    s3.fail(action, DENIED);
    const found = await tried(await given());
    expect(found).toMatchObject({ ok: false, missing_permissions: [permission], conditional_writes: action === 'PutObject' || action === 'DeleteObject' ? null : true });
    expect(statuses(found)).toEqual({ ...ALL_OK, ...steps });
    expect(found.steps.find(({ status }) => status === 'failed')).toMatchObject({ reason: 'denied', permission, error: expect.stringContaining('403') });
  });

  test('names each of several permissions that are missing, and that of reading once', async () => {
    for (const action of ['GetObject', 'HeadObject', 'ListObjectsV2'] as const) s3.fail(action, DENIED);
    const found = await tried(await given());
    expect(found.missing_permissions).toEqual(['s3:GetObject', 's3:ListBucket']);
    expect(statuses(found)).toEqual({ ...ALL_OK, read: 'failed', list: 'failed' });
    expect(s3.objects.size).toBe(0);
  });

  test('notices who may list, but is told of nothing that it is not there', async () => {
    s3.fail('HeadObject', DENIED, { key: /-absent$/ });
    const found = await tried(await given());
    expect(found.missing_permissions).toEqual(['s3:ListBucket']);
    expect(statuses(found)).toEqual({ ...ALL_OK, list: 'failed' });
  });

  test.each<[string, () => object, string, string]>([
    ['a bucket that is not there', () => ({ bucket: 'nobody-has-it' }), 'no_bucket', 'NoSuchBucket'],
    ['a secret that is wrong', () => ({ credentials: { ...keys(), secret_access_key: 'wrong' } }), 'denied', 'SignatureDoesNotMatch'],
    ['a key that nobody knows', () => ({ credentials: { ...keys(), access_key_id: 'AKIANOBODY' } }), 'denied', 'InvalidAccessKeyId'],
  ])('of %s says so at the first step, and asks for nothing more', async (_, more, reason, word) => {
    const found = await tried(await given(bucket(more())));
    expect(found).toMatchObject({ ok: false, missing_permissions: [], conditional_writes: null });
    expect(found.steps[0]).toMatchObject({ step: 'write', status: 'failed', reason, permission: null, error: expect.stringContaining(word) });
    expect(found.steps.slice(1).every(({ status }) => status === 'skipped')).toBe(true);
    expect(s3.requests.length).toBeLessThanOrEqual(3);
  });

  test('of a server that is not there says so', async () => {
    const found = await tried(await given(bucket({ endpoint: `http://127.0.0.1:${await freePort()}` })));
    expect(found.steps[0]).toMatchObject({ status: 'failed', reason: 'unreachable' });
  });

  test.each<[string, S3Fault, string]>([['fails', INTERNAL, 'unreachable'], ['never answers', 'hang', 'timeout'], ['is full', NO_SPACE, 'full']])('of a server that %s comes to an end', async (_, fault, reason) => {
    s3.fail('PutObject', fault);
    const found = await tried(await given());
    expect(found.steps[0]).toMatchObject({ step: 'write', status: 'failed', reason });
    expect(s3.objects.size).toBe(0);
  });

  test('of a server whose file never ends, or whose list, reads no more of it than was written', async () => {
    let sent = 0;
    const piece = Buffer.alloc(256 * 1024);
    const endless = createServer((request, response) => {
      request.resume();
      if (request.url!.includes('list-type')) return void response.end(`<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>x</NextContinuationToken>${[1, 2, 3].map((n) => `<Contents><Key>exports/_probe/${sent}-${n}</Key><Size>1</Size></Contents>`).join('')}</ListBucketResult>`);
      if (request.method !== 'GET' || request.url!.includes('uploads')) return void response.writeHead(request.method === 'POST' ? 400 : 200, { etag: '"x"' }).end();
      const push = (): void => {
        while (!response.destroyed && sent < 400_000_000) {
          sent += piece.length;
          if (!response.write(piece)) return void response.once('drain', push);
        }
        response.end();
      };
      push();
    }).listen(0, '127.0.0.1');
    await once(endless, 'listening');
    const found = await tried(await given(bucket({ endpoint: `http://127.0.0.1:${(endless.address() as AddressInfo).port}` })));
    endless.closeAllConnections();
    endless.close();
    expect(statuses(found)).toMatchObject({ write: 'ok', read: 'failed', list: 'failed' });
    expect(sent).toBeLessThan(100_000_000);
  });

  test.each(['ignored', 'unknown'] as const)('says where conditions are %s', async (conditions) => {
    s3.conditions = conditions;
    expect(await tried(await given())).toMatchObject({ ok: true, conditional_writes: false });
    expect(s3.objects.size).toBe(0);
  });

  test('of a folder that is none, or leads out, fails as denied or refused, and touches nothing', async () => {
    const outside = mkdtempSync(join(tmpdir(), 'lakehook-outside-'));
    const id = await given({ name: 'disk', type: 'disk', prefix: 'linked' });
    await tried(id);
    const folder = join(dataDir, 'destinations', tenantId, 'linked');
    symlinkSync(outside, join(folder, 'exports'));
    expect((await tried(id)).steps[0]).toMatchObject({ status: 'failed', reason: 'denied', permission: null });
    rmSync(join(folder, 'exports'));
    writeFileSync(join(folder, 'exports'), 'a file');
    expect((await tried(id)).steps[0]).toMatchObject({ status: 'failed', reason: 'refused' });
    rmSync(outside, { recursive: true });
  });
});

describe('a server of the operator\'s own at a private address', () => {
  const guarded = useHouse({ OUTBOUND_ALLOW_PRIVATE: '10.9.0.0/16', STORAGE_PRIVATE_ENDPOINTS: 'http://10.1.2.3:9000, http://127.0.0.1:1' });

  test('may be named where it is among STORAGE_PRIVATE_ENDPOINTS, by exactly its origin', async () => {
    for (const endpoint of ['http://127.0.0.1:1', 'http://10.1.2.3:9000/', 'http://10.9.1.1']) await guarded.api.post(PATH).send(bucket({ endpoint })).expect(201);
    for (const endpoint of [s3.endpoint, 'http://127.0.0.1:2', 'https://127.0.0.1:1', 'http://10.1.2.4:9000', 'http://127.0.0.1:1@169.254.169.254']) expect(await pointersOf(guarded.api.post(PATH).send(bucket({ endpoint }))), endpoint).toEqual(['/endpoint']);
  });

  test('is reached, and others are not, also when they were saved before', async () => {
    const { destination_id } = (await guarded.api.post(PATH).send(bucket({ endpoint: 'http://127.0.0.1:1' })).expect(201)).body;
    expect((await tried(destination_id, guarded.api)).steps[0]).toMatchObject({ status: 'failed', reason: 'unreachable', error: expect.stringContaining('ECONNREFUSED') });
    await guarded.sql('UPDATE destinations SET endpoint = $1 WHERE destination_id = $2', [s3.endpoint, destination_id]);
    expect((await tried(destination_id, guarded.api)).steps[0]).toMatchObject({ status: 'failed', error: expect.stringContaining('outgoing requests may not reach') });
    expect(s3.requests).toEqual([]);
  });
});

describe('what exports are told', () => {
  test('without a destination, each tenant has a folder of its own on the disk', async () => {
    expect(await destinations().storeOf(tenantId, null)).toEqual({ settings: { type: 'disk', folder: join(dataDir, 'lake') }, root: `${tenantId}/` });
    expect(await destinations().storeOf(otherId, null)).toEqual({ settings: { type: 'disk', folder: join(dataDir, 'lake') }, root: `${otherId}/` });
  });

  test('a store that works, with the encryption that was asked for', async () => {
    const id = await given(bucket({ prefix: 'p', server_side_encryption: { type: 'AES256' } }));
    const { settings, root } = await destinations().storeOf(tenantId, id);
    const store = openStore(structuredClone(settings) as StoreSettings);
    await store.put(`${root}exports/x`, Buffer.from('x'));
    store.close();
    expect(s3.objects.get('p/exports/x')).toMatchObject({ encryption: 'AES256' });
  });

  test('two tenants that name the same folder of the disk do not meet there', async () => {
    const body = { name: 'disk', type: 'disk', prefix: 'same' };
    const folders = await Promise.all([destinations().storeOf(tenantId, await given(body)), destinations().storeOf(otherId, await given(body, other))]);
    expect(folders.map(({ settings }) => settings)).toEqual([tenantId, otherId].map((id) => ({ type: 'disk', folder: join(dataDir, 'destinations', id, 'same') })));
  });

  test('another tenant has no such destination', async () => {
    const id = await given();
    await expect(destinations().storeOf(otherId, id)).rejects.toMatchObject({ code: 'not_found' });
    expect(await destinations().findFault(otherId, id)).toBe('There is no such destination.');
  });

  test('why one cannot be used', async () => {
    const find = async (more: object) => destinations().findFault(tenantId, await given(bucket(more)));
    expect(await destinations().findFault(tenantId, null)).toBeUndefined();
    expect(await find({})).toBeUndefined();
    expect(await find({ bucket: 'nobody-has-it' })).toContain('NoSuchBucket');
    expect(await find({ endpoint: `http://127.0.0.1:${await freePort()}` })).toContain('cannot be reached');
    s3.fail('ListObjectsV2', DENIED);
    expect(await find({})).toContain('AccessDenied');
  });
});
