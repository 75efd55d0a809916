import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { unzip } from '../../../test/support/unzip.js';
import { type Member, safeName, zipOf } from './zip.js';

const date = new Date('2026-01-31T12:00:00Z');
const member = (name: string, body: string | (() => Promise<Readable>), isCompressed = false): Member => ({ name, date, isCompressed, open: typeof body === 'string' ? async () => Readable.from([Buffer.from(body)]) : body });

test.each([
  ['year=2024/month=12/day=01/costs_20241201.parquet', 'year=2024/month=12/day=01/costs_20241201.parquet'],
  ['../../etc/passwd', 'etc/passwd'],
  ['/etc/passwd', 'etc/passwd'],
  ['a/./b/../c', 'a/b/c'],
  ['..\\..\\windows\\x.dll', 'windows/x.dll'],
  ['C:\\x', 'C_/x'],
  ['a\0b\nc', 'a_b_c'],
  ['nul. ', 'nul'],
  ['a:stream', 'a_stream'],
  ['ünï/数据', 'ünï/数据'],
  ['\ud800', '\ufffd'],
  ['', '_'], ['..', '_'], ['///', '_'],
])('%j is unpacked as %j', (name, expected) => {
  expect(safeName(name)).toBe(expected);
});

test('a zip holds its members, of which the compressed ones are stored', async () => {
  const text = 'a'.repeat(100_000);
  const zip = await buffer(zipOf([member('a/b.csv', text), member('ü.parquet', text, true), member('empty', ''), member('empty.gz', '', true)]));
  const unzipped = unzip(zip);
  expect(unzipped.map(({ name, data, method }) => [name, data.toString() === text, method])).toEqual([['a/b.csv', true, 8], ['ü.parquet', true, 0], ['empty', false, 8], ['empty.gz', false, 0]]);
  expect(unzipped[2]!.data.length + unzipped[3]!.data.length).toBe(0);
});

test('the same members are the same bytes', async () => {
  const members = [member('a', 'x'), member('b', 'y', true)];
  expect(await buffer(zipOf(members))).toEqual(await buffer(zipOf(members)));
});

test('more members than a plain zip can count are all in its directory', async () => {
  const zip = unzip(await buffer(zipOf((function* () {
    for (let n = 0; n < 65_600; n++) yield member(`n${n}`, '', true);
  })())));
  expect(zip.length).toBe(65_600);
  expect(zip.at(-1)!.name).toBe('n65599');
}, 60_000);

test('one file is open at a time', async () => {
  let open = 0;
  let most = 0;
  const opened = async (): Promise<Readable> => {
    most = Math.max(most, ++open);
    return Readable.from([Buffer.alloc(1_000_000)]).once('close', () => open--);
  };
  await buffer(zipOf(Array.from({ length: 10 }, (_, n) => member(`n${n}`, opened, true))));
  expect({ open, most }).toEqual({ open: 0, most: 1 });
});

test.each<[string, () => Promise<Readable>]>([
  ['breaks off', async () => Readable.from((async function* () {
    yield Buffer.alloc(500_000);
    throw new Error('broken');
  })())],
  ['cannot be opened', () => Promise.reject(new Error('broken'))],
])('a member that %s fails the zip, which no reader takes for whole', async (_, open) => {
  const pieces: Buffer[] = [];
  const zip = zipOf([member('a', 'whole', true), member('b', open, true), member('c', 'never', true)]);
  zip.on('data', (piece: Buffer) => pieces.push(piece));
  await expect(new Promise((resolve, reject) => zip.on('end', resolve).on('error', reject))).rejects.toThrow('broken');
  expect(() => unzip(Buffer.concat(pieces))).toThrow('no directory');
});

test('a zip that nobody reads any more closes the file at hand and opens no other', async () => {
  const opened: Readable[] = [];
  const open = async (): Promise<Readable> => {
    const endless = new Readable({ read() { this.push(Buffer.alloc(65_536)); } });
    opened.push(endless);
    return endless;
  };
  const zip = zipOf([member('a', open, true), member('b', open, true)]);
  await new Promise((resolve) => zip.once('data', resolve));
  zip.destroy();
  await new Promise((resolve) => opened[0]!.once('close', resolve));
  expect(opened.length).toBe(1);
});

test('a reader that pauses has no more than a few MiB read ahead for it', async () => {
  let read = 0;
  const zip = zipOf([member('a', async () => new Readable({ read() { this.push(Buffer.alloc(65_536)); read += 65_536; } }), true)]);
  await new Promise((resolve) => zip.once('readable', resolve));
  // Everything that can move without a reader has moved by then.
  for (let before = -1; before !== read; ) {
    before = read;
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  }
  expect(read).toBeLessThan(8 * 1024 * 1024);
  zip.destroy();
});
