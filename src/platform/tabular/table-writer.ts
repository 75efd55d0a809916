import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { Pace } from '../pacing/pace.js';
import type { StoreSettings } from '../storage/store.js';
import type { Progress, TablePart, WrittenFile } from './table.js';
import { type Answer, received, type Request, type ThreadSettings } from './thread.js';

/** How long the thread may take to undo what it was doing; then it is ended as it is. */
const ABORT_MS = 30_000;
/** How often it is told for which part of the time it may work. */
const PACE_MS = 50;

/** What `Omit` would make of a union is not one any more. */
type Command = Request extends infer R ? (R extends Request ? Omit<R, 'id'> : never) : never;

interface Waiting {
  resolve: (result: never) => void;
  reject: (error: unknown) => void;
  onProgress?: (progress: Progress) => void;
}

/**
 * # Tables to files: rows of Postgres as CSV, JSON lines or Parquet, staged in a store
 *
 * A writer is one thread with one connection and one snapshot (`db/copy.ts`): all that it writes shows the same moment, and no
 * row passes through the event loop that answers requests. In the thread (`table-writer.thread.ts`) `write-part.ts` has COPY run,
 * takes its rows by the block (`rows.ts`), encodes them (`csv.ts` and `json-lines.ts` through `text-file.ts`; `parquet.ts`
 * with `column-builders.ts`) and lets the store stage each file. Whoever is slowest sets the pace: a store that does not
 * take bytes holds the encoder, and that Postgres; nothing is kept but some blocks and, of Parquet, one row group.
 *
 * The same rows give the same bytes. Nothing is visible before somebody publishes what `write` answers. A fault (of Postgres, of
 * the store, of a value) discards what was staged of the part and comes out as it was; then only `close` is left.
 */
export class TableWriter {
  private lastId = 0;
  private readonly waiting = new Map<number, Waiting>();
  private over: { error: unknown } | undefined;

  /** The moment that everything it writes shows. */
  snapshotAt: Date;

  private constructor(private readonly worker: Worker, private readonly signal: AbortSignal | undefined) {
    worker.on('message', (answer: Answer) => this.hear(answer));
    worker.on('error', (error) => this.end(error));
    worker.on('exit', (code) => this.end(new Error(`The thread that writes files has ended (${code}).`)));
    signal?.addEventListener('abort', this.abort, { once: true });
    if (signal?.aborted) this.abort();
  }

  /** Starts the thread, connects, takes the snapshot. An abort ends what is being written, and with it the writer. `share` says for which part of the time it may work just now. */
  static async open({ databaseUrl, store, signal, share = () => 1 }: { databaseUrl: string; store: StoreSettings; signal?: AbortSignal; share?: () => number }): Promise<TableWriter> {
    signal?.throwIfAborted();
    const pace = new Pace();
    pace.set(share());
    const settings: ThreadSettings = { databaseUrl, store, pace: pace.memory };
    // Without the flags of the process: a test runner has some that a thread does not take.
    const worker = new Worker(threadFile(), { workerData: settings, execArgv: [], name: 'lakehook-export' });
    const writer = new TableWriter(worker, signal);
    const pacing = setInterval(() => pace.set(share()), PACE_MS);
    worker.once('exit', () => clearInterval(pacing));
    try {
      const takenAt: number = await writer.ask({ call: 'open' });
      writer.snapshotAt = new Date(takenAt);
      return writer;
    } catch (error) {
      await writer.close();
      throw error;
    }
  }

  /** Small results from the same snapshot, as Postgres prints them. */
  rows(sql: string): Promise<Record<string, string | null>[]> {
    return this.ask({ call: 'rows', sql });
  }

  /** One part after another. `onProgress` is called twice a second at most. */
  write(part: TablePart, onProgress?: (progress: Progress) => void): Promise<WrittenFile[]> {
    return this.ask({ call: 'write', part }, onProgress);
  }

  /** Lets go of the snapshot and ends the thread. */
  async close(): Promise<void> {
    this.signal?.removeEventListener('abort', this.abort);
    if (!this.over) await this.ask({ call: 'close' }).catch(() => {});
    this.over ??= { error: new Error('The writer is closed.') };
    await this.worker.terminate();
  }

  private ask<T>(command: Command, onProgress?: (progress: Progress) => void): Promise<T> {
    if (this.over) return Promise.reject(this.over.error as Error);
    const id = ++this.lastId;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject, onProgress });
      this.worker.postMessage({ id, ...command } satisfies Request, []);
    });
  }

  private hear(answer: Answer): void {
    const waiting = this.waiting.get(answer.id);
    if (!waiting) return;
    if ('progress' in answer) return waiting.onProgress?.(answer.progress);
    this.waiting.delete(answer.id);
    if ('fault' in answer) waiting.reject(this.signal?.aborted ? this.signal.reason : received(answer.fault));
    else if ('result' in answer) waiting.resolve(answer.result as never);
  }

  private readonly abort = (): void => {
    void this.ask({ call: 'abort' }).catch(() => {});
    setTimeout(() => this.waiting.size > 0 && void this.worker.terminate(), ABORT_MS).unref();
  };

  private end(error: unknown): void {
    this.over ??= { error: this.signal?.aborted ? this.signal.reason : error };
    for (const { reject } of this.waiting.values()) reject(this.over.error);
    this.waiting.clear();
  }
}

/** The thread runs what was built, also where this file is run from its source, as the tests do. */
function threadFile(): URL {
  const beside = new URL('./table-writer.thread.js', import.meta.url);
  return existsSync(fileURLToPath(beside)) ? beside : new URL(beside.href.replace(/\/src\/(?=platform\/tabular\/[^/]*$)/, '/dist/'));
}
