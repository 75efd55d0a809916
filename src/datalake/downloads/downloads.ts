import { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import type { Caller } from '../../auth/index.js';
import { Database, dayOf, dispositionOf, type Export, type ExportFile, Problem, type Stat, StoreFault } from '../../platform/index.js';
import { findDataset, requireScope } from '../datasets/datasets.js';
import { Exports } from '../exports/exports.js';
import type { OpenPlace } from '../exports/held.js';
import { Places } from '../exports/places.js';
import { type ByteRange, isNamed, readRange, wantsPart } from './conditions.js';
import type { AskDownload } from './downloads.dto.js';
import { type Member, zipOf } from './zip.js';

/** How long a link is good for. A download that has begun by then goes on. */
const LINK_SECONDS = 300;
const RETRY_AFTER_SECONDS = 10;

const TYPES: Record<string, string> = { parquet: 'application/vnd.apache.parquet', csv: 'text/csv; charset=utf-8', json: 'application/x-ndjson', gz: 'application/gzip', zst: 'application/zstd' };

/** What of a request's head decides about the answer. */
export interface Asked {
  isHead: boolean;
  range?: string;
  ifRange?: string;
  ifNoneMatch?: string;
}

/** An answer that is not JSON. */
export interface Answer {
  status: 200 | 206 | 302 | 304 | 416;
  headers: Record<string, string>;
  body?: Readable;
}

/**
 * Files of exports, as they are or together in a zip. What comes is what the export has written: where a file of a shared lake was
 * replaced since, it is refused rather than another one sent in its place.
 */
@Injectable()
export class Downloads {
  constructor(private readonly db: Database, private readonly exports: Exports, private readonly places: Places) {}

  async open(caller: Caller, exportId: string, { file, mode = 'stream' }: AskDownload, asked: Asked): Promise<Answer> {
    const row = await this.exports.find(this.db.client, caller, exportId);
    const dataset = findDataset(row.dataset);
    if (!dataset) throw Problem.notFound('dataset');
    requireScope(caller, dataset);
    if (row.status !== 'succeeded') throw new Problem('conflict', 'The export has no files to download: it has not succeeded.');
    const files = await this.db.client.exportFile.findMany({ where: { exportId, ...(file !== undefined && { key: { in: [file, `${row.prefix}/${file}`] } }) }, orderBy: { key: 'asc' } });
    const [first] = files;
    if (!first) throw file === undefined ? new Problem('conflict', 'The export has no files: none of its rows were there.') : Problem.notFound('file of this export');
    if (mode === 'redirect' && files.length > 1) throw Problem.invalid({ pointer: '?file', detail: 'must name one of the files: only that is there to be linked to' });
    const place = await this.places.open(row);
    const open = new Opened(row, place);
    try {
      const answer = mode === 'redirect' ? await open.link(first) : files.length === 1 ? await open.one(first, asked) : await open.all(files, asked);
      if (answer.body) answer.body.once('close', () => place.store.close());
      else place.store.close();
      return answer;
    } catch (error) {
      place.store.close();
      throw error instanceof StoreFault ? asProblem(error) : error;
    }
  }
}

/** An export whose store is open. */
class Opened {
  constructor(private readonly row: Export, private readonly place: OpenPlace) {}

  async one(file: ExportFile, { isHead, range: wanted, ifRange, ifNoneMatch }: Asked): Promise<Answer> {
    const etag = `"${file.sha256}"`;
    const bytes = Number(file.bytes);
    const headers: Record<string, string> = { etag, 'accept-ranges': 'bytes', 'cache-control': 'private, no-cache' };
    if (isNamed(ifNoneMatch, etag)) return { status: 304, headers };
    const range = isHead || !wantsPart(ifRange, etag) ? 'whole' : readRange(wanted, bytes);
    if (range === 'unsatisfiable') return { status: 416, headers: { 'content-range': `bytes */${bytes}` } };
    const { start, end } = range === 'whole' ? { start: 0, end: bytes - 1 } : range;
    Object.assign(headers, {
      'content-type': TYPES[file.key.slice(file.key.lastIndexOf('.') + 1)] ?? 'application/octet-stream',
      'content-disposition': dispositionOf(nameOf(file)),
      'content-length': String(end - start + 1),
      'repr-digest': `sha-256=:${Buffer.from(file.sha256, 'hex').toString('base64')}:`,
    });
    const answer: Answer = { status: range === 'whole' ? 200 : 206, headers };
    if (range !== 'whole') headers['content-range'] = `bytes ${start}-${end}/${bytes}`;
    if (isHead) await this.requireStanding([file]);
    else answer.body = await this.read(file, range === 'whole' ? undefined : range);
    return answer;
  }

  async all(files: ExportFile[], { isHead }: Asked): Promise<Answer> {
    await this.requireStanding(files);
    const { dataset, fromDay, toDay, prefix, finishedAt } = this.row;
    const [from, to] = [dayOf(fromDay), dayOf(toDay)];
    const members = files.map((file): Member => ({
      name: file.key.slice(prefix.length + 1), date: finishedAt!, isCompressed: !/\.(csv|json)$/.test(file.key),
      open: () => this.read(file),
    }));
    return {
      status: 200,
      headers: { 'content-type': 'application/zip', 'content-disposition': dispositionOf(`${dataset}_${from}_${to}.zip`), 'accept-ranges': 'none', 'cache-control': 'private, no-cache' },
      body: isHead ? undefined : zipOf(members),
    };
  }

  async link(file: ExportFile): Promise<Answer> {
    const { store, at } = this.place;
    if (!store.link) throw Problem.invalid({ pointer: '?mode', detail: 'must not be redirect: the files are on a disk, to which there are no links' });
    await this.requireStanding([file]);
    return { status: 302, headers: { location: await store.link(at(file.key), { fileName: nameOf(file), seconds: LINK_SECONDS }), 'cache-control': 'no-store' } };
  }

  /** The bytes of a file as the export wrote it, all of them or none behind the last one that is sent. */
  private async read(file: ExportFile, range?: ByteRange): Promise<Readable> {
    const { start, end } = range ?? { start: 0, end: Number(file.bytes) - 1 };
    return exactly(await this.begin(file, range), end - start + 1, (sent) => this.begin(file, { start: start + sent, end }));
  }

  private async begin(file: ExportFile, range?: ByteRange): Promise<Readable> {
    const found = await this.place.store.read(this.place.at(file.key), range);
    try {
      requireSame(file, found?.stat);
    } catch (error) {
      found?.body.destroy();
      throw error;
    }
    return found!.body;
  }

  /** Refuses files of which one is not there any more as it was written, before anything is sent. */
  private async requireStanding(files: ExportFile[]): Promise<void> {
    const { store, at } = this.place;
    if (files.length === 1) return requireSame(files[0]!, await store.stat(at(files[0]!.key)));
    const keys = new Map(files.map((file) => [at(file.key), file]));
    for await (const stat of store.list(at(commonFolder(files.map(({ key }) => key))))) {
      const file = keys.get(stat.key);
      if (file) requireSame(file, stat);
      keys.delete(stat.key);
    }
    for (const file of keys.values()) requireSame(file, undefined);
  }
}

function nameOf({ key }: ExportFile): string {
  return key.slice(key.lastIndexOf('/') + 1);
}

/** The longest folder that holds all of these keys, which are in order, with a slash at its end. */
function commonFolder(keys: string[]): string {
  const [first, last] = [keys[0]!, keys.at(-1)!];
  let length = 0;
  while (length < first.length && first[length] === last[length]) length++;
  return first.slice(0, first.lastIndexOf('/', length - 1) + 1);
}

/**
 * A body that fails when it is shorter or longer than was promised: the connection then breaks instead of ending as if that had been all. A bucket
 * waits for nobody who reads slowly: one that has broken off in the middle is asked for the rest, as long as it gets on.
 */
function exactly(body: Readable, bytes: number, goOn: (sent: number) => Promise<Readable>): Readable {
  let isOver = false;
  const counted = Readable.from((async function* () {
    let left = bytes;
    for (let asked = left; ; asked = left) {
      try {
        for await (const piece of body as AsyncIterable<Buffer>) {
          left -= piece.length;
          if (left < 0) break;
          yield piece;
        }
        break;
      } catch (error) {
        if (!(error instanceof StoreFault && error.isPassing) || left === asked || left <= 0) throw error;
        body = (await goOn(bytes - left)).on('error', () => {});
        if (isOver) body.destroy();
      }
    }
    if (left !== 0) throw new Error('The file is not as long as it was when it was opened.');
  })(), { objectMode: false });
  body.on('error', () => {});
  return counted.once('close', () => {
    isOver = true;
    body.destroy();
  });
}

function requireSame({ key, etag, bytes }: ExportFile, stat: Pick<Stat, 'etag' | 'bytes'> | undefined): void {
  if (stat?.etag !== etag || stat?.bytes !== Number(bytes)) throw new Problem('conflict', `${key} is not there any more as this export wrote it: a later export has replaced it, or somebody has removed it.`);
}

function asProblem(fault: StoreFault): Problem {
  return fault.isPassing
    ? new Problem('unavailable', `The files cannot be read for now: ${fault.message}`, { retryAfterSeconds: RETRY_AFTER_SECONDS, cause: fault })
    : new Problem('conflict', `The files cannot be read: ${fault.message}`);
}
