import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { Spool, SpoolFull } from '../../src/platform/spool/spool.js';

/** The spool on a real disk, without a house around it. */

let root: string;
let open: Spool[];
const lines: { level: number; msg: string }[] = [];
const log = pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) });

beforeEach(() => {
  root = join(mkdtempSync(join(tmpdir(), 'lakehook-spool-')), 'spool');
  open = [];
  lines.length = 0;
});
afterEach(async () => {
  for (const spool of open) await spool.close();
  rmSync(dirname(root), { recursive: true });
});

async function opened(maxBytes = 1_000_000, at = root): Promise<Spool> {
  const spool = await Spool.open(at, maxBytes, log);
  open.push(spool);
  return spool;
}

async function close(spool: Spool): Promise<void> {
  open = open.filter((other) => other !== spool);
  await spool.close();
}

const texts = (...all: string[]): Buffer[] => all.map((text) => Buffer.from(text));
async function contents(spool: Spool): Promise<string[]> {
  const found: string[] = [];
  for (const segment of await spool.sealed()) found.push(...(await spool.load(segment)).frames.map(({ payload }) => payload.toString()));
  return found;
}

test('what was appended is there after a restart, in its order, and gone once it is dropped', async () => {
  const first = await opened();
  await Promise.all(Array.from({ length: 50 }, (_, n) => first.append(texts(`a${n}`, `b${n}`))));
  await close(first);
  const second = await opened();
  await second.append(texts('later'));
  expect(await contents(second)).toEqual([...Array.from({ length: 50 }, (_, n) => [`a${n}`, `b${n}`]).flat(), 'later']);
  for (const segment of await second.sealed()) await second.drop(segment);
  expect(second.isEmpty).toBe(true);
  expect(readdirSync(join(root, '0')).filter((name) => name.endsWith('.segment'))).toEqual([]);
});

test('the order of what was appended survives a clock that goes back, and one that stands still', async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() });
  onTestFinished(() => void vi.useRealTimers());
  const first = await opened();
  for (const [index, text] of ['one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight'].entries()) {
    await first.append(texts(text));
    await first.sealed();
    if (index % 2) vi.setSystemTime(Date.now() - 600_000);
  }
  await close(first);
  expect(await contents(await opened())).toEqual(['one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight']);
});

test('a copy of the folder taken at any moment, as a crash leaves it, holds all that was acknowledged before', async () => {
  const spool = await opened();
  const acknowledged: string[] = [];
  for (let n = 0; n < 5; n++) {
    const under = Array.from({ length: 20 }, (_, m) => spool.append(texts(`${n}-${m}`.padEnd(200, '.'))).then(() => acknowledged.push(`${n}-${m}`.padEnd(200, '.'))));
    await under[0];
    const before = [...acknowledged];
    const copy = join(dirname(root), `copy${n}`);
    cpSync(root, copy, { recursive: true });
    const found = await contents(await opened(1_000_000, copy));
    expect(before.filter((text) => !found.includes(text))).toEqual([]);
    await Promise.all(under);
  }
});

test('a torn tail is cut and laid aside, and so is what a disk has changed; all else is read', async () => {
  const first = await opened();
  await first.append(texts('one', 'two', 'three', 'four'));
  await close(first);
  const path = join(root, '0', readdirSync(join(root, '0')).find((file) => file.endsWith('.segment'))!);
  const bytes = readFileSync(path);
  bytes[bytes.indexOf('two')]! ^= 4;
  writeFileSync(path, bytes.subarray(0, -1));
  const second = await opened();
  const [segment] = await second.sealed();
  const { frames, damagedBytes } = await second.load(segment!);
  expect(frames.map(({ payload }) => payload.toString())).toEqual(['one', 'three']);
  const aside = readdirSync(join(root, '0/damaged')).map((file) => readFileSync(join(root, '0/damaged', file)).length).sort((a, b) => a - b);
  expect(aside).toEqual([12 + 3, 12 + 3]);
  expect(damagedBytes).toBe(30);
  expect(lines).toMatchObject([{ level: 50, msg: 'the spool is damaged' }, { level: 40, msg: 'the spool was cut off in the middle of an append' }]);
});

test('damage is laid aside although somebody has deleted the folder for it', async () => {
  const spool = await opened();
  await spool.append(texts('one'));
  const [segment] = await spool.sealed();
  writeFileSync(segment!.path, readFileSync(segment!.path).subarray(1));
  rmSync(join(root, '0/damaged'), { recursive: true });
  expect((await spool.load(segment!)).frames).toEqual([]);
  expect(readdirSync(join(root, '0/damaged'))).toHaveLength(1);
});

test('beyond its cap it is full, until something is dropped; what does not fit leaves no trace', async () => {
  const spool = await opened(1_000);
  await spool.append([Buffer.alloc(900)]);
  await expect(spool.append([Buffer.alloc(100)])).rejects.toThrow(SpoolFull);
  await spool.append([Buffer.alloc(76)]);
  expect(spool.hasRoom).toBe(false);
  expect(await contents(spool)).toHaveLength(2);
  for (const segment of await spool.sealed()) await spool.drop(segment);
  expect(spool.hasRoom).toBe(true);
  await spool.append([Buffer.alloc(988)]);
});

test('a disk that cannot be written is as one that is full, until it can', async () => {
  const spool = await opened();
  const folder = join(root, '0');
  renameSync(folder, `${folder}.away`);
  await expect(spool.append(texts('lost'))).rejects.toThrow(SpoolFull);
  expect(spool.hasRoom).toBe(false);
  renameSync(`${folder}.away`, folder);
  await spool.append(texts('kept'));
  expect(spool.hasRoom).toBe(true);
  expect(await contents(spool)).toEqual(['kept']);
});

test('two processes on one folder keep apart, and the one that stays takes over what the other left behind', async () => {
  const [first, second] = [await opened(), await opened()];
  await first.append(texts('first'));
  await second.append(texts('second'));
  await second.adopt();
  expect(await contents(second)).toEqual(['second']);
  await close(first);
  await second.adopt();
  expect((await contents(second)).sort()).toEqual(['first', 'second']);
  const third = await opened();
  expect(await contents(third)).toEqual([]);
});

test('a folder that cannot be taken over, and a segment that goes while it is looked at, keep nothing else from being taken over', async () => {
  const [first, second, third] = [await opened(), await opened(), await opened()];
  await second.append(texts('second'));
  await third.append(texts('third'));
  await close(second);
  await close(third);
  // A name that leads to nothing is what is left between listing a folder and asking for its files.
  symlinkSync('gone', join(root, '1/000000000000001-00000000-0000-4000-8000-000000000001.segment'));
  writeFileSync(join(root, '10'), 'not a folder');
  mkdirSync(join(root, '00'));
  writeFileSync(join(root, '00/000000000000001-00000000-0000-4000-8000-000000000002.segment'), '');
  mkdirSync(join(root, '0/000000000000001-00000000-0000-4000-8000-000000000002.segment'));
  await first.adopt();
  // Of segments that begin in the same millisecond either may be first.
  expect((await contents(first)).toSorted()).toEqual(['second', 'third']);
  expect(lines.map(({ level }) => level)).toEqual([40, 40]);
  expect(await contents(await opened())).toEqual([]);
});

test('appends that come at the same time share the disk’s attention', async () => {
  const spool = await opened(100_000_000);
  const started = performance.now();
  for (let n = 0; n < 20; n++) await spool.append(texts('alone'));
  const alone = (performance.now() - started) / 20;
  const together = performance.now();
  await Promise.all(Array.from({ length: 2_000 }, () => spool.append(texts('together'))));
  expect(performance.now() - together).toBeLessThan(2_000 * alone);
  expect(await contents(spool)).toHaveLength(2_020);
});
