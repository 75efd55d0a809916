import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openStore } from '../../src/platform/storage/open-store.js';
import type { Staged, Stat, Store, StoreSettings } from '../../src/platform/storage/store.js';
import { collect } from '../support/collect.js';
import { useS3 } from '../support/s3.js';

/** What every store promises. Runs over a disk, the tests' S3, and the real one that TEST_S3_ENDPOINT names. */

const { TEST_S3_ENDPOINT, TEST_S3_BUCKET = '', TEST_S3_REGION = 'us-east-1', TEST_S3_ACCESS_KEY = '', TEST_S3_SECRET_KEY = '' } = process.env;
const folder = mkdtempSync(join(tmpdir(), 'lakehook-store-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const s3 = useS3();
const unique = `conformance/${randomUUID()}`;

const stores: [string, (prefix?: string) => StoreSettings][] = [
  ['a disk', (prefix = '') => ({ type: 'disk', folder: join(folder, 'lake', prefix) })],
  ['an S3', (prefix) => s3.settings(prefix)],
  ...(TEST_S3_ENDPOINT ? [['the real S3', (prefix = '') => ({
    type: 's3', bucket: TEST_S3_BUCKET, prefix: `${unique}${prefix && `/${prefix}`}`, region: TEST_S3_REGION, endpoint: TEST_S3_ENDPOINT, pathStyle: true,
    credentials: { accessKeyId: TEST_S3_ACCESS_KEY, secretAccessKey: TEST_S3_SECRET_KEY }, allowPrivate: 'true',
  })] as [string, (prefix?: string) => StoreSettings]] : []),
];

const MIB = 1024 * 1024;
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

async function* pieces(bytes: Uint8Array, size = 100_000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function* failing(bytes: Uint8Array, error: Error): AsyncGenerator<Uint8Array> {
  yield* pieces(bytes);
  throw error;
}

async function* silentAfter(bytes: Uint8Array, then: () => void): AsyncGenerator<Uint8Array> {
  yield bytes;
  then();
  await new Promise(() => {});
}

describe.each(stores)('%s', (_, settingsOf) => {
  let store: Store;
  beforeAll(() => void (store = openStore(settingsOf())));
  afterAll(() => store.close());

  const text = async (key: string, range?: { start: number; end: number }): Promise<string | undefined> => {
    const found = await store.read(key, range);
    return found && (await buffer(found.body)).toString();
  };
  const keys = async (prefix: string): Promise<string[]> => (await all(prefix)).map(({ key }) => key);
  const all = (prefix: string): Promise<Stat[]> => collect(store.list(prefix));
  const stage = (key: string, content: string | Uint8Array): Promise<Staged> => store.stage(key, pieces(Buffer.from(content as string)));
  const write = async (key: string, content: string): Promise<Stat> => store.publish(await stage(key, content));
  const openUploads = (prefix: string): Promise<number> => openStore(settingsOf()).sweep(prefix, new Date(Date.now() + 60_000), new Set());

  test.each([['nothing', 0], ['a few bytes', 11], ['several parts', 17 * MIB + 3]])('of %s, staged is not seen; published it is there to the last byte', async (name, length) => {
    const key = `staged/${name}/year=2024/file.bin`;
    const bytes = randomBytes(length);
    const staged = await store.stage(key, pieces(bytes), { contentType: 'text/plain' });
    expect(staged).toMatchObject({ key, bytes: length, sha256: sha256(bytes) });
    expect(await store.stat(key)).toBeUndefined();
    expect(await store.read(key)).toBeUndefined();
    expect(await keys('staged/')).not.toContain(key);
    const published = await store.publish(JSON.parse(JSON.stringify(staged)) as Staged);
    expect(published).toMatchObject({ key, bytes: length, etag: expect.stringMatching(/^[\w-]+$/) });
    expect(await store.stat(key)).toEqual(published);
    const found = await store.read(key);
    expect(found!.stat).toEqual(published);
    expect(sha256(await buffer(found!.body))).toBe(staged.sha256);
    expect(await all(key)).toEqual([{ ...published, modifiedAt: expect.any(Date) }]);
  });

  test('publishing replaces what stood there and gives it another etag', async () => {
    const before = await write('replaced/file', 'before');
    const staged = await stage('replaced/file', 'after!');
    expect(await text('replaced/file')).toBe('before');
    const after = await store.publish(staged);
    expect(await text('replaced/file')).toBe('after!');
    expect(after.etag).not.toBe(before.etag);
  });

  test('publishing again, by another process too, is harmless', async () => {
    const staged = await stage('again/file', 'once');
    const first = await store.publish(staged);
    const another = openStore(settingsOf());
    expect(await another.publish(staged)).toEqual(first);
    another.close();
    expect(await text('again/file')).toBe('once');
  });

  test('what was discarded cannot be published, and what stands there stays', async () => {
    await write('discarded/file', 'standing');
    const staged = await stage('discarded/file', 'discarded');
    await store.discard(staged);
    await store.discard(staged);
    await expect(store.publish(staged)).rejects.toMatchObject({ action: 'write', reason: 'refused', isPassing: false });
    expect(await text('discarded/file')).toBe('standing');
    expect(await openUploads('discarded/')).toBe(0);
  });

  test('what was published stays when it is discarded', async () => {
    const staged = await stage('late/file', 'published');
    await store.publish(staged);
    await store.discard(staged);
    expect(await text('late/file')).toBe('published');
  });

  test('a body that fails leaves nothing behind, and its error comes out as it is', async () => {
    const error = new Error('the body broke');
    await expect(store.stage('failed/file', failing(randomBytes(9 * MIB), error))).rejects.toBe(error);
    expect(await openUploads('failed/')).toBe(0);
    expect(await keys('failed/')).toEqual([]);
  });

  test('an abort ends a silent body, leaves nothing behind, and its reason comes out as it is', async () => {
    const stop = new AbortController();
    const reason = new Error('cancelled');
    await expect(store.stage('aborted/file', silentAfter(randomBytes(9 * MIB), () => stop.abort(reason)), { signal: stop.signal })).rejects.toBe(reason);
    await expect(store.stage('aborted/file', pieces(randomBytes(10)), { signal: stop.signal })).rejects.toBe(reason);
    expect(await openUploads('aborted/')).toBe(0);
  });

  test('what dead processes staged is swept, but not what is kept, newer or elsewhere', async () => {
    const [dead, kept, elsewhere] = [await stage('swept/a/dead', 'dead'), await stage('swept/a/kept', 'kept'), await stage('swept/b/elsewhere', 'elsewhere')];
    await write('swept/a/published', 'published');
    const soon = new Date(Date.now() + 60_000);
    expect(await store.sweep('swept/', new Date(Date.now() - 3_600_000), new Set())).toBe(0);
    expect(await store.sweep('swept/a/', soon, new Set([kept.token, '{"mark":"","parts":[]}', 'of-another store']))).toBe(1);
    await expect(store.publish(dead)).rejects.toMatchObject({ reason: 'refused' });
    await store.publish(kept);
    await store.publish(elsewhere);
    expect(await keys('swept/')).toEqual(['swept/a/kept', 'swept/a/published', 'swept/b/elsewhere']);
  });

  test('keys are listed by prefix, in the order of their bytes', async () => {
    const names = ['ordered/a', 'ordered/a b/c', 'ordered/a-b', 'ordered/a.b', 'ordered/a/z', 'ordered/a0', 'ordered/aé&<"x', 'ordered/year=2024/month=01/x', 'ordered/year=2024/month=02/x', 'ordered/_manifest.json', 'orderless'];
    for (const name of names.toReversed()) if (name !== 'ordered/a') await write(name, name);
    const expected = names.filter((name) => name.startsWith('ordered/') && name !== 'ordered/a').sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    expect(await keys('ordered/')).toEqual(expected);
    expect(await keys('ordered/year=2024/month=0')).toEqual(expected.filter((name) => name.includes('month')));
    expect(await keys('ordered/year=2024/month=02/')).toEqual(['ordered/year=2024/month=02/x']);
    expect(await keys('nothing/here/')).toEqual([]);
    expect(await text('ordered/aé&<"x')).toBe('ordered/aé&<"x');
  });

  test('a range answers those bytes, and says how long the whole is', async () => {
    const { etag } = await write('ranges/file', '0123456789');
    expect(await text('ranges/file', { start: 0, end: 0 })).toBe('0');
    expect(await text('ranges/file', { start: 3, end: 5 })).toBe('345');
    expect(await text('ranges/file', { start: 8, end: 99 })).toBe('89');
    const { stat, body } = (await store.read('ranges/file', { start: 3, end: 5 }))!;
    expect(stat).toMatchObject({ bytes: 10, etag });
    body.destroy();
    await expect(store.read('ranges/file', { start: 10, end: 12 })).rejects.toMatchObject({ action: 'read', reason: 'refused' });
    expect(await store.read('ranges/none', { start: 0, end: 1 })).toBeUndefined();
  });

  test('a put replaces, and its conditions hold', async () => {
    const key = 'put/_manifest.json';
    expect(await store.put(key, Buffer.from('no'), { ifMatch: 'f'.repeat(32) })).toBeUndefined();
    const first = await store.put(key, Buffer.from('first'), { ifMatch: null, contentType: 'application/json' });
    expect(first).toMatchObject({ key, bytes: 5 });
    expect(await store.put(key, Buffer.from('no'), { ifMatch: null })).toBeUndefined();
    const second = await store.put(key, Buffer.from('second'), { ifMatch: first!.etag });
    expect(await store.put(key, Buffer.from('no'), { ifMatch: first!.etag })).toBeUndefined();
    expect(await text(key)).toBe('second');
    expect(await store.stat(key)).toEqual(second);
    const third = await store.put(key, Buffer.from('third'));
    expect(third!.etag).not.toBe(second!.etag);
    expect(await text(key)).toBe('third');
  });

  test('of many puts with the same condition at the same moment, one succeeds', async () => {
    for (const ifMatch of [null, undefined]) {
      const expected = ifMatch === null ? null : (await store.stat('raced/file'))!.etag;
      const answers = await Promise.all(Array.from({ length: 8 }, (_, index) => store.put('raced/file', Buffer.from(`${ifMatch} ${index}`), { ifMatch: expected })));
      const winners = answers.flatMap((answer, index) => (answer ? [[answer, index] as const] : []));
      expect(winners).toHaveLength(1);
      expect(await text('raced/file')).toBe(`${ifMatch} ${winners[0]![1]}`);
    }
  });

  test('it says that its conditions hold, and leaves nothing of the trial', async () => {
    expect(await store.holdsConditions('trial/probe')).toBe(true);
    expect(await keys('trial/')).toEqual([]);
  });

  test('what is removed is gone, absent or not before', async () => {
    await Promise.all(Array.from({ length: 20 }, (_, index) => write(`removed/day=${index}/file`, 'x')));
    await write('removed/kept', 'x');
    const gone = (await keys('removed/day=')).concat('removed/never', 'removed/day=3/file/deeper');
    expect(gone).toHaveLength(22);
    await store.remove(gone);
    await store.remove(gone);
    await store.remove([]);
    expect(await keys('removed/')).toEqual(['removed/kept']);
  });

  test('a store with a prefix is a world of its own', async () => {
    const inner = openStore(settingsOf('tenant-1'));
    await inner.publish(await inner.stage('exports/file', pieces(Buffer.from('inner'))));
    const left = await inner.stage('exports/left', pieces(Buffer.from('left')));
    expect((await collect(inner.list(''))).map(({ key }) => key)).toEqual(['exports/file']);
    expect(await text('tenant-1/exports/file')).toBe('inner');
    const beside = openStore(settingsOf('tenant-10'));
    expect(await collect(beside.list(''))).toEqual([]);
    expect(await beside.sweep('', new Date(Date.now() + 60_000), new Set())).toBe(0);
    await inner.publish(left);
    await inner.remove(['exports/file', 'exports/left']);
    inner.close();
    beside.close();
  });

  test.each([
    ['empty', ''], ['absolute', '/etc/passwd'], ['leading out', '../escape'], ['leading out in the middle', 'a/../../escape'], ['with a dot', 'a/./b'], ['with two slashes', 'a//b'], ['with a slash at its end', 'a/'], ['with NUL', 'nul\0byte'],
    ['with a backslash', 'back\\slash'], ['with a newline', 'new\nline'], ['with a long name', 'x'.repeat(256)], ['too long', `${'y/'.repeat(600)}z`], ['not well-formed', '\ud800'],
  ])('a key that is %s is refused as a bug, before anything is touched', async (_, key) => {
    const refusal = expect.objectContaining({ name: 'Error', message: expect.stringContaining('is no key') }) as Error;
    const staged = { key, bytes: 1, sha256: '', token: '{"mark":"","parts":[]}' };
    await expect(store.stage(key, pieces(Buffer.from('x')))).rejects.toEqual(refusal);
    await expect(store.publish(staged)).rejects.toEqual(refusal);
    await expect(store.put(key, Buffer.from('x'))).rejects.toEqual(refusal);
    await expect(store.put(key, Buffer.from('x'), { ifMatch: null })).rejects.toEqual(refusal);
    await expect(store.read(key)).rejects.toEqual(refusal);
    await expect(store.stat(key)).rejects.toEqual(refusal);
    await expect(store.remove(['fine', key])).rejects.toEqual(refusal);
    if (key !== '' && key !== 'a/') await expect(collect(store.list(key))).rejects.toEqual(refusal);
  });
});
