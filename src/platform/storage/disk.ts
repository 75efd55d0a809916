import { createHash, randomUUID } from 'node:crypto';
import { type BigIntStats, constants, type Dirent } from 'node:fs';
import { type FileHandle, lstat, mkdir, open, readdir, realpath, rename, rmdir, unlink } from 'node:fs/promises';
import { dirname, join, resolve, sep } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';
import { lockFolder } from '../spool/folder-lock.js';
import { syncFolder } from '../sync-folder.js';
import { faulting, inChunks } from './chunks.js';
import { findKeyFault, inKeyOrder, requireKey, requirePrefix } from './keys.js';
import { type DiskSettings, type Staged, type Stat, type Store, StoreFault } from './store.js';

/** Ours alone, in the folder itself: what lies there moves by a rename, and engines skip names with a dot. */
const HIDDEN = '.lakehook';
const WRITE_BYTES = 1024 * 1024;
/** How much is written before it is sent on to the disk, while more is being written. All of it at the end would hold up whoever shares the disk. */
const FLUSH_BYTES = 16 * 1024 * 1024;
const READ_BYTES = 256 * 1024;
const LOCK_WAIT_MS = 10_000;
const LOCK_PAUSE_MS = 20;
/** How often a folder may vanish under our feet because somebody else has emptied it. */
const TRIES = 20;

const REASONS: Record<string, StoreFault['reason']> = {
  ENOSPC: 'full', EDQUOT: 'full', EFBIG: 'full',
  EACCES: 'denied', EPERM: 'denied', EROFS: 'denied',
  EMFILE: 'unreachable', ENFILE: 'unreachable', EBUSY: 'unreachable', ESTALE: 'unreachable', ETIMEDOUT: 'timeout',
};

/**
 * Files below a folder. What is staged lies in a hidden folder of the same file system, under its key and a random name, and is
 * on the disk (`fsync`) before anybody hears of it; publishing is a rename. Symbolic links are followed only as folders that
 * stay inside.
 *
 * The etag is made of size, inode and time of change in nanoseconds: it costs nothing to know, holds across a rename, and changes
 * with every new file. A folder restored from a backup has other ones; then files count as changed, which is the safe side.
 */
export class DiskStore implements Store {
  private readonly root: string;

  constructor({ folder }: DiskSettings) {
    this.root = resolve(folder);
  }

  async stage(key: string, body: AsyncIterable<Uint8Array>, { signal }: { signal?: AbortSignal } = {}): Promise<Staged> {
    const id = randomUUID();
    const path = this.stagedPath(requireOwnKey(key), id);
    const hash = createHash('sha256');
    let bytes = 0;
    const file = await doing('write', key, () => this.create(path));
    let flush = Promise.resolve();
    try {
      for await (const chunk of inChunks(body, () => WRITE_BYTES, signal)) {
        hash.update(chunk);
        bytes += chunk.length;
        await doing('write', key, () => file.writeFile(chunk));
        if (bytes % FLUSH_BYTES > 0) continue;
        await flush;
        flush = doing('write', key, () => file.datasync());
        // Thrown where it is waited for.
        flush.catch(() => {});
      }
      signal?.throwIfAborted();
      await flush;
      const etag = await doing('write', key, async () => {
        await file.sync();
        const stats = await file.stat({ bigint: true });
        await file.close();
        await this.syncUp(dirname(path));
        return etagOf(stats);
      });
      return { key, bytes, sha256: hash.digest('hex'), token: `${id} ${etag}` };
    } catch (error) {
      await flush.catch(() => {});
      await file.close().catch(() => {});
      await unlink(path).catch(() => {});
      await this.tidy(dirname(path));
      throw error;
    }
  }

  async publish({ key, token }: Staged): Promise<Stat> {
    const [id, etag] = token.split(' ') as [string, string];
    const from = this.stagedPath(requireOwnKey(key), id);
    return doing('write', key, async () => {
      await this.move(from, key);
      await this.tidy(dirname(from));
      const stat = await this.stat(key);
      if (stat?.etag === etag) return stat;
      await this.tidy(this.folder(key));
      throw new StoreFault('write', 'refused', `What was staged for ${key} is gone.`);
    });
  }

  async discard({ key, token }: Staged): Promise<void> {
    const path = this.stagedPath(requireOwnKey(key), token.split(' ')[0]!);
    return doing('delete', key, async () => {
      await unlink(path).catch(unlessAbsent);
      await this.tidy(dirname(path));
    });
  }

  async put(key: string, body: Uint8Array, { ifMatch }: { ifMatch?: string | null } = {}): Promise<Stat | undefined> {
    const write = async (): Promise<Stat> => this.publish(await this.stage(key, Readable.from([body])));
    requireOwnKey(key);
    if (ifMatch === undefined) return write();
    return this.locked(key, async () => (((await this.stat(key))?.etag ?? null) === ifMatch ? write() : undefined));
  }

  async read(key: string, range?: { start: number; end: number }): Promise<{ stat: Stat; body: Readable } | undefined> {
    requireOwnKey(key);
    return doing('read', key, async () => {
      const folder = await this.folderOf(key);
      // A link is not followed, and a pipe must not keep us waiting for its other end.
      const file = folder && (await open(join(folder, nameOf(key)), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(unlessAbsent));
      if (!file) return undefined;
      const stats = await file.stat({ bigint: true });
      if (!stats.isFile() || (range && range.start >= stats.size)) {
        await file.close();
        if (stats.isFile()) throw new StoreFault('read', 'refused', `${key} ends before byte ${range!.start}.`);
        return undefined;
      }
      return { stat: statOf(key, stats), body: faulting(file.createReadStream({ ...range, highWaterMark: READ_BYTES }), (error) => asFault('read', key, error)) };
    });
  }

  async stat(key: string): Promise<Stat | undefined> {
    requireOwnKey(key);
    return doing('read', key, async () => {
      const folder = await this.folderOf(key);
      const stats = folder && (await lstat(join(folder, nameOf(key)), { bigint: true }).catch(unlessAbsent));
      return stats && stats.isFile() ? statOf(key, stats) : undefined;
    });
  }

  async *list(prefix: string): AsyncGenerator<Stat> {
    requirePrefix(prefix);
    for await (const key of this.walk(this.root, '', prefix)) {
      const stat = findKeyFault(key) ? undefined : await this.stat(key);
      if (stat) yield stat;
    }
  }

  async remove(keys: string[]): Promise<void> {
    for (const key of keys.map(requireOwnKey)) {
      await doing('delete', key, async () => {
        const folder = await this.folderOf(key);
        if (!folder) return;
        await unlink(join(folder, nameOf(key))).catch(unlessAbsent);
        await this.syncUp(await this.tidy(folder));
      });
    }
  }

  async sweep(prefix: string, before: Date, kept: ReadonlySet<string>): Promise<number> {
    requirePrefix(prefix);
    const keptIds = new Set([...kept].map((token) => token.split(' ')[0]));
    let removed = 0;
    for await (const staged of this.walk(this.stagingRoot, '', prefix)) {
      const path = join(this.stagingRoot, staged);
      await doing('delete', staged, async () => {
        const stats = await lstat(path).catch(unlessAbsent);
        if (!stats || stats.mtime >= before || keptIds.has(nameOf(staged))) return;
        await unlink(path).catch(unlessAbsent);
        await this.tidy(dirname(path));
        removed++;
      });
    }
    return removed;
  }

  holdsConditions(): Promise<boolean> {
    return Promise.resolve(true);
  }

  close(): void {
    // Holds nothing between two calls.
  }

  private get stagingRoot(): string {
    return join(this.root, HIDDEN, 'staged');
  }

  private stagedPath(key: string, id: string): string {
    return join(this.stagingRoot, ...key.split('/'), id);
  }

  /** Where a key lies, be it there or not. */
  private folder(key: string): string {
    return dirname(join(this.root, ...key.split('/')));
  }

  private async create(path: string): Promise<FileHandle> {
    await this.makeRoot();
    for (let tries = 1; ; tries++) {
      try {
        await mkdir(dirname(path), { recursive: true });
        return await open(path, 'wx');
      } catch (error) {
        // Somebody who has just emptied the folder has removed it, or does so while it is made.
        if (!isAbsence(error) || tries === TRIES) throw error;
      }
    }
  }

  /** Renames a staged file to its key, unless that has happened before. */
  private async move(from: string, key: string): Promise<void> {
    const target = this.folder(key);
    for (let tries = 1; ; tries++) {
      try {
        const folder = await this.makeFolder(target);
        await rename(from, join(folder, nameOf(key)));
        return await this.syncUp(folder);
      } catch (error) {
        if (!isAbsence(error) || tries === TRIES) throw error;
        if (!(await lstat(from).catch(unlessAbsent))) return this.syncUp(await this.makeFolder(target));
      }
    }
  }

  /** Makes a folder below the root, never through a link that leads out. Answers its real path. */
  private async makeFolder(folder: string): Promise<string> {
    await this.makeRoot();
    let standing = folder;
    let real = await realpath(standing).catch(unlessAbsent);
    for (; real === undefined; real = await realpath(standing).catch(unlessAbsent)) standing = dirname(standing);
    await this.requireInside(real);
    if (standing !== folder) await mkdir(folder, { recursive: true });
    return realpath(folder);
  }

  private async makeRoot(): Promise<void> {
    const made = await mkdir(this.root, { recursive: true });
    if (made === undefined) return;
    for (let above = this.root; above.length >= made.length; above = dirname(above)) await syncFolder(dirname(above));
  }

  /** The real folder that a key lies in, if it is there. */
  private async folderOf(key: string): Promise<string | undefined> {
    const real = await realpath(this.folder(key)).catch(unlessAbsent);
    if (real !== undefined) await this.requireInside(real);
    return real;
  }

  private async requireInside(real: string): Promise<void> {
    const root = await realpath(this.root);
    if (real !== root && !real.startsWith(root.endsWith(sep) ? root : root + sep)) throw Object.assign(new Error('a symbolic link leads out of the folder'), { code: 'EACCES' });
  }

  /** The keys of all files below a folder that begin with the prefix, in their order. */
  private async *walk(folder: string, key: string, prefix: string): AsyncGenerator<string> {
    const entries = await doing('list', key || '/', async () => (await readdir(folder, { withFileTypes: true }).catch(unlessAbsent)) ?? []);
    const sorted = entries.map((entry): [string, Dirent] => [key + entry.name + (entry.isDirectory() ? '/' : ''), entry]).sort(([a], [b]) => inKeyOrder(a, b));
    for (const [path, entry] of sorted) {
      if (path === `${HIDDEN}/`) continue;
      if (entry.isDirectory() && (path.startsWith(prefix) || prefix.startsWith(path))) yield* this.walk(join(folder, entry.name), path, prefix);
      else if (entry.isFile() && path.startsWith(prefix)) yield path;
    }
  }

  /** Removes a folder and those above it as far as they are empty. Answers the first that stays. */
  private async tidy(folder: string): Promise<string> {
    const root = await realpath(this.root).catch(() => this.root);
    for (let empty = folder; empty !== this.root && empty !== root; empty = dirname(empty)) {
      try {
        await rmdir(empty);
      } catch (error) {
        if (!isAbsence(error)) return empty;
      }
    }
    return root;
  }

  /** From a folder to the root, so that folders that are new stay too. */
  private async syncUp(folder: string): Promise<void> {
    const root = await realpath(this.root);
    for (let above = folder; ; above = dirname(above)) {
      await syncFolder(above).catch(unlessAbsent);
      if (above === this.root || above === root) return;
    }
  }

  /** One at a time among all processes on this machine. */
  private locked<T>(key: string, work: () => Promise<T>): Promise<T> {
    return doing('write', key, async () => {
      const folder = join(this.root, HIDDEN);
      await mkdir(folder, { recursive: true });
      const deadline = performance.now() + LOCK_WAIT_MS;
      let lock = lockFolder(folder);
      for (; !lock; lock = lockFolder(folder)) {
        if (performance.now() > deadline) throw new StoreFault('write', 'timeout', `${key} is being written by another process that does not come to an end.`);
        await wait(LOCK_PAUSE_MS);
      }
      try {
        return await work();
      } finally {
        lock.release();
      }
    });
  }
}

function requireOwnKey(key: string): string {
  if (requireKey(key).split('/')[0] === HIDDEN) throw new Error(`${key} is no key: ${HIDDEN} is where files are staged`);
  return key;
}

async function doing<T>(action: StoreFault['action'], key: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw asFault(action, key, error);
  }
}

function asFault(action: StoreFault['action'], key: string, error: unknown): StoreFault {
  if (error instanceof StoreFault) return error;
  const { code = '', message } = error as NodeJS.ErrnoException;
  return new StoreFault(action, REASONS[code] ?? 'refused', `The disk could not ${action} ${key}: ${message}`, { cause: error });
}

function isAbsence(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ENOTDIR';
}

function unlessAbsent(error: unknown): undefined {
  if (!isAbsence(error)) throw error;
}

function nameOf(key: string): string {
  return key.slice(key.lastIndexOf('/') + 1);
}

function etagOf({ size, ino, mtimeNs }: BigIntStats): string {
  return [mtimeNs, ino, size].map((number) => number.toString(36)).join('-');
}

function statOf(key: string, stats: BigIntStats): Stat {
  return { key, bytes: Number(stats.size), etag: etagOf(stats), modifiedAt: stats.mtime };
}
