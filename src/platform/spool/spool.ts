import { randomUUID } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat, unlink, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Log } from '../observe/log.js';
import { syncFolder } from '../sync-folder.js';
import { lockFolder } from './folder-lock.js';
import { FRAME_BYTES, type Frame, readFrames, writeFrames } from './frames.js';

/** A segment that has grown to this is closed, and what follows goes to a new one: how much a drainer reads at once. */
const SEGMENT_BYTES = 16 * 1024 * 1024;
const SEGMENT = /^\d{15}-([0-9a-f-]{36})\.segment$/;

/** A file of frames that nobody writes to any more. Its id is its alone for ever, wherever the file lies. */
export interface Segment {
  id: string;
  path: string;
  bytes: number;
}

/** What was to be appended does not fit, be it for the cap or for the disk. It may be there all the same. */
export class SpoolFull extends Error {}

interface Waiting {
  payloads: Buffer[];
  bytes: number;
  resolve: () => void;
  reject: (error: unknown) => void;
}

/**
 * # The spool: payloads on the local disk until they can go where they belong
 *
 * An append resolves once its frames are on the disk (`fdatasync`); whoever comes while the disk is busy shares the next one.
 * Frames go to one segment at a time and a process never appends to a segment that it did not begin itself, so a torn
 * tail is nobody's to mend: `frames.ts` reads what is whole, and the rest is laid aside in `damaged/`, for people to look at.
 *
 * Each process holds a numbered folder of its own under `root`. What a process left behind whose folder nobody holds is
 * taken over by the next that looks.
 */
export class Spool {
  /** On the disk or on its way there. */
  bytes = 0;
  private segments: Segment[] = [];
  /** The ids of segments that are laid aside whole once they are drained, as there was no room for a copy of their damage. */
  private readonly keptWhole = new Set<string>();
  private active: (Segment & { file: FileHandle }) | undefined;
  private waiting: Waiting[] = [];
  /** One thing after the other happens to the files. */
  private turn: Promise<unknown> = Promise.resolve();
  /** The last append failed. */
  private failing = false;
  /** Something did not fit, and nothing has gone since. */
  private full = false;

  private constructor(private readonly root: string, private readonly folder: string, private readonly lock: { release(): void }, private readonly maxBytes: number, private readonly log: Log) {}

  static async open(root: string, maxBytes: number, log: Log): Promise<Spool> {
    try {
      for (let number = 0; ; number++) {
        const folder = join(root, String(number));
        await mkdir(join(folder, 'damaged'), { recursive: true, mode: 0o700 });
        const lock = lockFolder(folder);
        if (!lock) continue;
        await Promise.all([join(root, '..'), root, folder].map(syncFolder));
        const spool = new Spool(root, folder, lock, maxBytes, log);
        spool.segments = await segmentsIn(folder);
        spool.bytes = spool.segments.reduce((sum, { bytes }) => sum + bytes, 0);
        await spool.adopt();
        return spool;
      }
    } catch (cause) {
      throw new Error(`The spool cannot use ${root}: ${(cause as Error).message}. Make the folder writable, set another DATA_DIR, or INGEST_SPOOL=off.`, { cause });
    }
  }

  get hasRoom(): boolean {
    return !this.failing && !this.full;
  }

  get isEmpty(): boolean {
    return this.bytes === 0 && this.segments.length === 0;
  }

  /** Resolves once all of these payloads would survive a loss of power. Throws {@link SpoolFull}. */
  append(payloads: Buffer[]): Promise<void> {
    const bytes = payloads.reduce((sum, { length }) => sum + FRAME_BYTES + length, 0);
    if (this.bytes + bytes > this.maxBytes) {
      this.full = true;
      return Promise.reject(new SpoolFull('the spool is full'));
    }
    this.bytes += bytes;
    return new Promise((resolve, reject) => {
      this.waiting.push({ payloads, bytes, resolve, reject });
      if (this.waiting.length === 1) void this.inTurn(() => this.flush());
    });
  }

  /** What there is to drain, the oldest first. What is appended from now on is not among it. */
  async sealed(): Promise<Segment[]> {
    await this.inTurn(() => this.seal());
    return [...this.segments];
  }

  /** The frames of a segment. What else it holds is laid aside and counted in `damagedBytes`. */
  async load(segment: Segment): Promise<{ frames: Frame[]; damagedBytes: number }> {
    const bytes = await readFile(segment.path);
    const { frames, damage } = readFrames(segment.id, bytes);
    this.keptWhole.delete(segment.id);
    for (const { start, end } of damage) {
      const aside = await this.layAside(segment, start, bytes.subarray(start, end));
      // Nothing was acknowledged of what a crash has torn; a disk that changes what it was given is another matter.
      if (end === bytes.length) this.log.warn({ segment: segment.id, start, bytes: end - start, aside }, 'the spool was cut off in the middle of an append');
      else this.log.error({ segment: segment.id, start, bytes: end - start, aside }, 'the spool is damaged');
    }
    return { frames, damagedBytes: damage.reduce((sum, { start, end }) => sum + end - start, 0) };
  }

  /** Removes a segment that is drained. */
  async drop(segment: Segment): Promise<void> {
    if (this.keptWhole.delete(segment.id)) await rename(segment.path, join(this.folder, 'damaged', basename(segment.path)));
    else await unlink(segment.path);
    await syncFolder(this.folder);
    this.segments = this.segments.filter(({ id }) => id !== segment.id);
    this.bytes -= segment.bytes;
    this.full = this.failing = false;
  }

  /** Takes over what other processes left behind. A folder that cannot be read or moved keeps nothing else from being drained. */
  async adopt(): Promise<void> {
    for (const name of await readdir(this.root)) {
      const folder = join(this.root, name);
      if (folder === this.folder || !/^\d+$/.test(name)) continue;
      await this.adoptFolder(folder).catch((err: unknown) => this.log.warn({ err, folder }, 'a folder of the spool cannot be taken over, it will be tried again'));
    }
    this.segments.sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  private async adoptFolder(folder: string): Promise<void> {
    if ((await segmentsIn(folder)).length === 0) return;
    const lock = lockFolder(folder);
    if (!lock) return;
    try {
      for (const segment of await segmentsIn(folder)) {
        const path = join(this.folder, segment.path.slice(folder.length + 1));
        await rename(segment.path, path);
        this.segments.push({ ...segment, path });
        this.bytes += segment.bytes;
      }
      await syncFolder(this.folder);
      await syncFolder(folder);
    } finally {
      lock.release();
    }
  }

  /** What is in it stays for the next process. */
  async close(): Promise<void> {
    await this.inTurn(() => this.seal());
    this.lock.release();
  }

  /** Answers where the damage is to be found. A full disk must not keep the spool from being drained: only that makes room. */
  private async layAside(segment: Segment, start: number, damage: Buffer): Promise<string> {
    const folder = join(this.folder, 'damaged');
    const aside = join(folder, `${segment.id}-${start}`);
    // Whoever has looked at what is in it may have deleted it, too.
    await mkdir(folder, { recursive: true, mode: 0o700 });
    try {
      await writeFile(aside, damage, { mode: 0o600, flush: true });
      return aside;
    } catch (err) {
      await rm(aside, { force: true });
      this.keptWhole.add(segment.id);
      this.log.warn({ err, segment: segment.id }, 'there is no room to copy what is damaged: the segment is laid aside whole when it is drained');
      return join(folder, basename(segment.path));
    }
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.turn.then(work);
    this.turn = turn.catch(() => {});
    return turn;
  }

  private async flush(): Promise<void> {
    const group = this.waiting.splice(0);
    const bytes = group.reduce((sum, waiting) => sum + waiting.bytes, 0);
    try {
      const segment = (this.active ??= await this.begin());
      await segment.file.appendFile(writeFrames(segment.id, group.flatMap(({ payloads }) => payloads)));
      await segment.file.datasync();
      segment.bytes += bytes;
      this.failing = false;
      for (const { resolve } of group) resolve();
      if (segment.bytes >= SEGMENT_BYTES) await this.seal();
    } catch (cause) {
      this.failing = true;
      this.bytes -= bytes;
      this.log.error({ err: cause }, 'the spool could not be written');
      // After a failed sync nobody knows what is on the disk: this segment ends here.
      await this.active?.file.truncate(this.active.bytes).catch(() => {});
      await this.seal().catch(() => {});
      for (const { reject } of group) reject(new SpoolFull('the spool could not be written', { cause }));
    }
  }

  private async begin(): Promise<Segment & { file: FileHandle }> {
    const id = randomUUID();
    // Names sort as they were begun, though the clock go back or stand still.
    const newest = Math.max(0, ...this.segments.map(({ path }) => Number.parseInt(basename(path), 10)));
    const path = join(this.folder, `${String(Math.max(Date.now(), newest + 1)).padStart(15, '0')}-${id}.segment`);
    const file = await open(path, 'ax', 0o600);
    try {
      await syncFolder(this.folder);
    } catch (error) {
      await file.close();
      throw error;
    }
    return { id, path, bytes: 0, file };
  }

  private async seal(): Promise<void> {
    if (!this.active) return;
    const { file, ...segment } = this.active;
    this.active = undefined;
    this.segments.push(segment);
    await file.close();
  }
}

async function segmentsIn(folder: string): Promise<Segment[]> {
  const names = (await readdir(folder)).filter((name) => SEGMENT.test(name)).sort();
  const segments = await Promise.all(names.map(async (name) => {
    const path = join(folder, name);
    // Whoever holds the folder may just have drained it.
    const stats = await stat(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
    return stats && { id: SEGMENT.exec(name)![1]!, path, bytes: stats.size };
  }));
  return segments.filter((segment) => segment !== undefined);
}
