import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { DiskStore } from '../../src/platform/storage/disk.js';
import { StoreFault } from '../../src/platform/storage/store.js';
import { collect } from '../support/collect.js';

/** What a disk does that a bucket never would. */

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'lakehook-disk-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function* one(content: string | Buffer): AsyncGenerator<Uint8Array> {
  yield Buffer.from(content as string);
}

const filesBelow = (folder: string): string[] => readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => !entry.isDirectory()).map((entry) => relative(folder, join(entry.parentPath, entry.name))).sort();
const refused = expect.objectContaining({ reason: 'denied' }) as StoreFault;

test('a published file lies where its key says, and nothing else is left, not even folders', async () => {
  const folder = join(newFolder(), 'not/made/yet');
  const store = new DiskStore({ type: 'disk', folder });
  await store.publish(await store.stage('exports/cost_data/year=2024/costs.parquet', one('rows')));
  expect(filesBelow(folder)).toEqual(['exports/cost_data/year=2024/costs.parquet']);
  expect(readFileSync(join(folder, 'exports/cost_data/year=2024/costs.parquet'), 'utf8')).toBe('rows');
  await store.discard(await store.stage('exports/other/file', one('rows')));
  await store.remove(['exports/cost_data/year=2024/costs.parquet']);
  expect(readdirSync(folder)).toEqual([]);
});

test('a link that leads out of the folder is followed by nothing', async () => {
  const [folder, outside] = [newFolder(), newFolder()];
  const store = new DiskStore({ type: 'disk', folder });
  writeFileSync(join(outside, 'secret'), 'secret');
  symlinkSync(outside, join(folder, 'exports'));
  symlinkSync(join(outside, 'secret'), join(folder, 'link'));
  symlinkSync(join(outside, 'not there'), join(folder, 'dangling'));
  const staged = await store.stage('exports/new', one('x'));
  await expect(store.publish(staged)).rejects.toEqual(refused);
  await expect(store.publish(await store.stage('exports/deep/er', one('x')))).rejects.toEqual(refused);
  await expect(store.read('exports/secret')).rejects.toEqual(refused);
  await expect(store.stat('exports/secret')).rejects.toEqual(refused);
  await expect(store.remove(['exports/secret'])).rejects.toEqual(refused);
  await expect(store.put('exports/secret', Buffer.from('x'))).rejects.toEqual(refused);
  await expect(store.read('link')).rejects.toBeInstanceOf(StoreFault);
  expect(await store.stat('link')).toBeUndefined();
  expect(await collect(store.list(''))).toEqual([]);
  await store.publish(await store.stage('link', one('replaced')));
  await expect(store.publish(await store.stage('dangling/file', one('x')))).rejects.toBeInstanceOf(StoreFault);
  expect(filesBelow(outside)).toEqual(['secret']);
  expect(readFileSync(join(outside, 'secret'), 'utf8')).toBe('secret');
});

test('a folder that is itself a link, or given relatively, is as good as any', async () => {
  const folder = newFolder();
  symlinkSync(newFolder(), join(folder, 'lake'));
  for (const path of [join(folder, 'lake'), relative(process.cwd(), join(folder, 'lake'))]) {
    const store = new DiskStore({ type: 'disk', folder: path });
    await store.publish(await store.stage('a/b/file', one('x')));
    expect((await collect(store.list(''))).map(({ key }) => key)).toEqual(['a/b/file']);
    await store.remove(['a/b/file']);
    expect(existsSync(join(folder, 'lake/a'))).toBe(false);
    expect(existsSync(join(folder, 'lake'))).toBe(true);
  }
});

test('publishing what is gone leaves no empty folders', async () => {
  const folder = newFolder();
  const store = new DiskStore({ type: 'disk', folder });
  const staged = await store.stage('exports/year=2024/file', one('x'));
  await store.discard(staged);
  await expect(store.publish(staged)).rejects.toMatchObject({ reason: 'refused' });
  expect(readdirSync(folder)).toEqual([]);
});

test('the hidden folder is no place for keys', async () => {
  const store = new DiskStore({ type: 'disk', folder: newFolder() });
  for (const key of ['.lakehook/staged/x', '.lakehook']) await expect(store.stage(key, one('x'))).rejects.toThrow(/is no key/);
});

test('a file where a folder should be, and a folder where a file should be, are faults and lose nothing', async () => {
  const folder = newFolder();
  const store = new DiskStore({ type: 'disk', folder });
  await store.publish(await store.stage('a', one('file')));
  await store.publish(await store.stage('b/c', one('file')));
  await expect(store.publish(await store.stage('a/below', one('x')))).rejects.toBeInstanceOf(StoreFault);
  await expect(store.publish(await store.stage('b', one('x')))).rejects.toBeInstanceOf(StoreFault);
  expect(await store.stat('b')).toBeUndefined();
  expect(await store.stat('a/below')).toBeUndefined();
  expect((await collect(store.list(''))).map(({ key }) => key)).toEqual(['a', 'b/c']);
});

test('a pipe is no file and keeps nobody waiting', async () => {
  const folder = newFolder();
  execFileSync('mkfifo', [join(folder, 'pipe')]);
  expect(await new DiskStore({ type: 'disk', folder }).read('pipe')).toBeUndefined();
});

test('a file changed in place has another etag, though as long as before', async () => {
  const folder = newFolder();
  const store = new DiskStore({ type: 'disk', folder });
  const before = await store.publish(await store.stage('file', one('before')));
  writeFileSync(join(folder, 'file'), 'after!');
  utimesSync(join(folder, 'file'), 1, 1);
  expect((await store.stat('file'))!.etag).not.toBe(before.etag);
});

test('many who write and empty the same folders never stand in each other\'s way', async () => {
  const folder = newFolder();
  await Promise.all(Array.from({ length: 12 }, async (_, who) => {
    const store = new DiskStore({ type: 'disk', folder });
    for (let round = 0; round < 8; round++) {
      const key = `exports/year=2024/file-${who}`;
      const staged = await store.stage(key, one(`${round}`));
      if (round % 3 === 0) await store.discard(staged);
      else await store.publish(staged);
      await store.remove([key]);
    }
  }));
  expect(readdirSync(folder)).toEqual([]);
});

test('a disk that is full is a fault that says so, nothing of the file stays, and there is room again', async ({ skip }) => {
  const folder = newFolder();
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', folder], { stdio: 'ignore' });
  } catch {
    skip('nobody may mount a disk here');
  }
  onTestFinished(() => void execFileSync('umount', ['-l', folder], { stdio: 'ignore' }));
  const store = new DiskStore({ type: 'disk', folder });
  const kept = await store.stage('kept', one(Buffer.alloc(1024 * 1024)));
  await expect(store.stage('large/file', one(Buffer.alloc(4 * 1024 * 1024)))).rejects.toMatchObject({ action: 'write', reason: 'full', isPassing: false });
  expect(filesBelow(join(folder, '.lakehook'))).toHaveLength(1);
  await store.publish(kept);
  await store.publish(await store.stage('small', one('x')));
  expect(filesBelow(folder)).toEqual(['kept', 'small']);
});

test('a limit on the size of files is a fault of the same kind', () => {
  const folder = newFolder();
  mkdirSync(join(folder, 'lake'));
  const script = `import { DiskStore } from '${process.cwd()}/dist/platform/storage/disk.js';
    const store = new DiskStore({ type: 'disk', folder: '${folder}/lake' });
    await store.stage('file', (async function* () { yield Buffer.alloc(3 * 1024 * 1024); })()).catch(({ action, reason }) => console.log(action, reason));`;
  writeFileSync(join(folder, 'script.mjs'), script);
  expect(execFileSync('sh', ['-c', `ulimit -f 2048; exec "$0" "$1"`, process.execPath, join(folder, 'script.mjs')], { encoding: 'utf8' }).trim()).toBe('write full');
  expect(readdirSync(join(folder, 'lake'))).toEqual([]);
});
