import { createHash, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';
import { S3Store } from '../../src/platform/storage/s3.js';
import { type S3Settings, StoreFault } from '../../src/platform/storage/store.js';
import { collect } from '../support/collect.js';
import { DENIED, INTERNAL, NO_SPACE, type S3Action, SLOW_DOWN, useS3 } from '../support/s3.js';

/** What an S3 does that a disk never would. */

const s3 = useS3();
const MIB = 1024 * 1024;

function open(changes: Partial<S3Settings> = {}): S3Store {
  const store = new S3Store({ ...s3.settings(), timeoutMs: 2_000, attempts: 3, ...changes });
  onTestFinished(() => store.close());
  return store;
}

async function* zeros(mib: number): AsyncGenerator<Uint8Array> {
  for (let sent = 0; sent < mib; sent++) yield Buffer.alloc(MIB);
}

async function* one(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}

const faultOf = (work: Promise<unknown>): Promise<StoreFault> => work.then(() => Promise.reject(new Error('it succeeded')), (error: unknown) => (error instanceof StoreFault ? error : Promise.reject(error as Error)));

test('a large file goes up in parts of 8 MiB, two at a time, and its sum is right', async () => {
  const store = open();
  const staged = await store.stage('large', zeros(37));
  expect([...s3.uploads.values()].map(({ parts }) => [...parts].sort(([a], [b]) => a - b).map(([, { body }]) => body.length / MIB))).toEqual([[8, 8, 8, 8, 5]]);
  expect(s3.mostParts).toBeLessThanOrEqual(2);
  expect(staged.sha256).toBe(createHash('sha256').update(Buffer.alloc(37 * MIB)).digest('hex'));
  expect(await store.publish(staged)).toMatchObject({ bytes: 37 * MIB, etag: expect.stringMatching(/-5$/) });
});

test.each<[string, S3Action]>([['the upload begins', 'CreateMultipartUpload'], ['a part goes up', 'UploadPart'], ['it is completed', 'CompleteMultipartUpload'], ['it is looked at', 'HeadObject']])('500, SlowDown and a reset pass while %s', async (_, action) => {
  const store = open({ attempts: 4 });
  for (const fault of [INTERNAL, SLOW_DOWN, 'reset'] as const) s3.fail(action, fault, { times: 1 });
  expect(await store.publish(await store.stage('file', one('kept')))).toMatchObject({ bytes: 4 });
  expect(s3.objects.get('file')!.body.toString()).toBe('kept');
  expect(s3.requests.filter((request) => request.action === action).length).toBeGreaterThanOrEqual(4);
});

test('a completion whose answer is lost is known to be ours, at once and after a crash', async () => {
  const staged = await open().stage('file', one('kept'));
  s3.fail('CompleteMultipartUpload', 'lost', { times: 1 });
  expect(await open().publish(staged)).toMatchObject({ bytes: 4 });
  const other = await open().stage('other', one('kept'));
  s3.fail('CompleteMultipartUpload', 'lost');
  expect(await faultOf(open({ attempts: 1 }).publish(other))).toMatchObject({ reason: 'unreachable', isPassing: true });
  s3.heal();
  expect(await open().publish(other)).toMatchObject({ bytes: 4 });
});

test("somebody else's object at the key is not taken for what was staged", async () => {
  const [mine, theirs] = [await open().stage('file', one('mine')), await open().stage('file', one('them'))];
  await open().discard(mine);
  await open().publish(theirs);
  expect(await faultOf(open().publish(mine))).toMatchObject({ action: 'write', reason: 'refused' });
});

test('a conditional put whose answer is lost succeeds once', async () => {
  s3.fail('PutObject', 'lost', { times: 1 });
  expect(await open().put('manifest', Buffer.from('first'), { ifMatch: null })).toMatchObject({ bytes: 5 });
  expect(s3.requests.filter(({ action }) => action === 'PutObject')).toHaveLength(2);
  expect(await open().put('manifest', Buffer.from('again'), { ifMatch: null })).toBeUndefined();
});

test.each([['enforced', true], ['ignored', false], ['unknown', false]] as const)('where conditions are %s, it says so, and a put keeps to them all the same', async (conditions, holds) => {
  s3.conditions = conditions;
  const store = open();
  expect(await store.holdsConditions('probe')).toBe(holds);
  expect(s3.objects.size).toBe(0);
  const first = await store.put('manifest', Buffer.from('first'), { ifMatch: null });
  expect(await store.put('manifest', Buffer.from('no'), { ifMatch: null })).toBeUndefined();
  expect(await store.put('manifest', Buffer.from('no'), { ifMatch: '0'.repeat(32) })).toBeUndefined();
  expect(await store.put('manifest', Buffer.from('second'), { ifMatch: first!.etag })).toMatchObject({ bytes: 6 });
});

test.each<[S3Action, string, string, (store: S3Store) => Promise<unknown>]>([
  ['CreateMultipartUpload', 'write', 's3:PutObject', (store) => store.stage('file', one('x'))],
  ['UploadPart', 'write', 's3:PutObject', (store) => store.stage('file', zeros(17))],
  ['PutObject', 'write', 's3:PutObject', (store) => store.put('file', Buffer.from('x'))],
  ['GetObject', 'read', 's3:GetObject', (store) => store.read('file')],
  ['HeadObject', 'read', 's3:GetObject', (store) => store.stat('file')],
  ['ListObjectsV2', 'list', 's3:ListBucket', (store) => collect(store.list(''))],
  ['ListMultipartUploads', 'list', 's3:ListBucketMultipartUploads', (store) => store.sweep('', new Date(), new Set())],
  ['DeleteObject', 'delete', 's3:DeleteObject', (store) => store.remove(['file'])],
])('where %s is denied, the fault says that one cannot %s and lacks %s', async (denied, action, permission, work) => {
  s3.fail(denied, DENIED);
  expect(await faultOf(work(open()))).toMatchObject({ action, reason: 'denied', permission, isPassing: false });
  expect(s3.requests.filter((request) => request.action === denied).length).toBeLessThanOrEqual(2);
  expect(s3.uploads.size).toBe(0);
});

test('a bucket without room is a fault that says so, and nothing of the upload stays', async () => {
  s3.fail('UploadPart', NO_SPACE);
  expect(await faultOf(open().stage('file', zeros(40)))).toMatchObject({ action: 'write', reason: 'full', isPassing: false });
  expect(s3.uploads.size).toBe(0);
});

test.each<['hang' | 'reset', string]>([['hang', 'timeout'], ['reset', 'unreachable']])('parts that meet a %s end the upload as %s, and it is aborted', async (fault, reason) => {
  s3.fail('UploadPart', fault);
  expect(await faultOf(open({ timeoutMs: 300, attempts: 2 }).stage('file', zeros(20)))).toMatchObject({ action: 'write', reason, isPassing: true });
  expect(s3.uploads.size).toBe(0);
});

test('an upload that cannot even be aborted is swept later, page by page', async () => {
  s3.fail('UploadPart', INTERNAL);
  s3.fail('AbortMultipartUpload', INTERNAL);
  const store = open({ attempts: 1 });
  for (const key of ['a', 'b', 'b', 'c', 'd']) expect(await faultOf(store.stage(key, one('x')))).toMatchObject({ reason: 'unreachable' });
  expect(s3.uploads.size).toBe(5);
  s3.heal();
  s3.pageSize = 2;
  expect(await store.sweep('', new Date(Date.now() + 1_000), new Set())).toBe(5);
  expect(s3.uploads.size).toBe(0);
});

test('objects that stand for folders are not listed', async () => {
  const store = open();
  await store.put('folder/file', Buffer.from('x'));
  const [path, object] = [...s3.objects].find(([key]) => key.endsWith('folder/file'))!;
  s3.objects.set(path.slice(0, -'file'.length), object);
  expect((await collect(store.list('folder/'))).map(({ key }) => key)).toEqual(['folder/file']);
});

test('a list of many pages is whole', async () => {
  const store = open();
  for (let index = 0; index < 7; index++) await store.put(`day=${index}/file`, Buffer.from('x'));
  s3.pageSize = 3;
  expect((await collect(store.list('day='))).map(({ key }) => key)).toEqual(Array.from({ length: 7 }, (_, index) => `day=${index}/file`));
});

test.each(['truncated', 'hang'] as const)('a body that is %s ends in a fault, not as if it were whole', async (fault) => {
  const store = open({ timeoutMs: 300, attempts: 1 });
  await store.put('file', randomBytes(MIB));
  s3.fail('GetObject', fault);
  expect(await faultOf(store.read('file').then((found) => buffer(found!.body)))).toMatchObject({ action: 'read', isPassing: true });
});

const list = (changes: Partial<S3Settings>): Promise<StoreFault> => faultOf(collect(open({ attempts: 1, ...changes }).list('')));

test('nobody there, a name that leads nowhere, a wrong secret and a bucket that is not there are told apart', async () => {
  expect(await list({ endpoint: 'http://127.0.0.1:1' })).toMatchObject({ reason: 'unreachable', message: expect.stringContaining('ECONNREFUSED') });
  expect(await list({ endpoint: 'http://no-such-name.invalid' })).toMatchObject({ reason: 'unreachable' });
  expect(await list({ credentials: { ...s3.settings().credentials!, secretAccessKey: 'not-the-secret' } })).toMatchObject({ reason: 'denied', message: expect.stringContaining('SignatureDoesNotMatch') });
  expect(await list({ bucket: 'no-such-bucket' })).toMatchObject({ reason: 'no_bucket' });
});

test.each(['http://127.0.0.1:9', 'http://localhost:9', 'http://[::1]:9', 'http://169.254.169.254', 'http://10.0.0.1'])('%s is never connected to unless private addresses are allowed', async (endpoint) => {
  const port = new URL(s3.endpoint).port;
  const fault = await faultOf(collect(open({ endpoint: endpoint.replace(':9', `:${port}`), allowPrivate: undefined }).list('')));
  expect(fault).toMatchObject({ reason: 'refused', message: expect.stringContaining('OUTBOUND_ALLOW_PRIVATE') });
  expect(s3.requests).toEqual([]);
});

test('an endpoint named in the environment is not followed', async () => {
  process.env.AWS_ENDPOINT_URL = s3.endpoint;
  onTestFinished(() => void delete process.env.AWS_ENDPOINT_URL);
  await faultOf(collect(open({ endpoint: undefined, region: 'eu-none-1', attempts: 1, timeoutMs: 500 }).list('')));
  expect(s3.requests).toEqual([]);
});

test('without credentials of its own, it takes those of the standard chain', async () => {
  const { accessKeyId, secretAccessKey } = s3.keys;
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey });
  onTestFinished(() => {
    delete process.env.AWS_ACCESS_KEY_ID;
    delete process.env.AWS_SECRET_ACCESS_KEY;
  });
  expect(await open({ credentials: undefined }).put('file', Buffer.from('x'))).toMatchObject({ bytes: 1 });
});

test('a link can be followed by who has no key, saves under the name given, and covers nothing else', async () => {
  const store = open();
  await store.put('exports/a b.csv', Buffer.from('a,b'));
  const link = await store.link('exports/a b.csv', { fileName: 'costs "2024".csv', seconds: 60 });
  const answer = await fetch(link);
  expect(answer.status).toBe(200);
  expect(answer.headers.get('content-disposition')).toBe('attachment; filename="costs _2024_.csv"; filename*=UTF-8\'\'costs%20%222024%22.csv');
  expect(await answer.text()).toBe('a,b');
  expect((await fetch(link.replace('a%20b.csv', 'other.csv'))).status).toBe(403);
  expect((await fetch(link, { method: 'PUT', body: 'x' })).status).toBe(403);
});

test('server-side encryption is asked for with every object', async () => {
  const store = open({ serverSideEncryption: { type: 'aws:kms', keyId: 'key-1' } });
  await store.put('put', Buffer.from('x'));
  await store.publish(await store.stage('staged', one('x')));
  await store.publish(await store.stage('empty', zeros(0)));
  expect([...s3.objects.values()].map(({ encryption }) => encryption)).toEqual(['aws:kms', 'aws:kms', 'aws:kms']);
});

test('an answer without end is not read without end', async () => {
  const server = createServer((_, response) => {
    response.writeHead(200, { 'content-type': 'application/xml' });
    const more = (): void => void (response.writable && response.write(' '.repeat(MIB), more));
    more();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  onTestFinished(() => server.closeAllConnections());
  const fault = await faultOf(collect(open({ endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, attempts: 1 }).list('')));
  expect(fault.message).toContain('longer than');
});
