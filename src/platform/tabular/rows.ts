import { setTimeout as wait } from 'node:timers/promises';
import type { RowBlock, RowStream } from '../db/copy.js';
import type { Pace } from '../pacing/pace.js';
import type { Progress } from './table.js';

/** Before the first row of COPY's binary format: a signature and flags, then how many bytes of extensions follow. */
const HEADER_BYTES = 15;
/** In place of a row's count of fields, behind the last row: -1. */
const TRAILER = 0xffff;

/** The rows of one part on their way through its files: one file after another takes its rows from here. */
export class Rows {
  bytes: Buffer = Buffer.alloc(0);
  /** Where each of the rows at hand ends. */
  ends: number[] = [];
  /** The row to be taken next, among those at hand. */
  next = 0;
  private begin = 0;
  private isFirst = true;
  private readonly progress: Progress = { rows: 0, bytes: 0 };
  private readonly blocks: AsyncIterator<RowBlock>;

  constructor(private readonly copy: RowStream, private readonly isBinary: boolean, private readonly pace: Pace, private readonly onProgress: (progress: Progress) => void) {
    this.blocks = copy[Symbol.asyncIterator]();
  }

  /** Whether there is a row to be taken. */
  async more(): Promise<boolean> {
    while (this.next >= this.ends.length) {
      // Of all that takes part this is the one place that holds everything: who does not ask for rows holds back Postgres too.
      const restMs = this.pace.restMs();
      if (restMs > 0) await wait(restMs);
      const { done, value } = await this.blocks.next();
      if (done) return false;
      this.take(value);
    }
    return true;
  }

  /** Where row `row` of those at hand begins. */
  startOf(row: number): number {
    return row === 0 ? this.begin : this.ends[row - 1]!;
  }

  /** Nothing more is wanted, however much is left. */
  stop(): void {
    this.copy.stop();
  }

  private take({ bytes, ends }: RowBlock): void {
    this.bytes = bytes;
    this.ends = ends;
    this.next = 0;
    this.begin = 0;
    this.progress.bytes += ends.at(-1)!;
    if (this.isBinary) {
      if (this.isFirst) this.begin = HEADER_BYTES + 4 + bytes.readUInt32BE(HEADER_BYTES);
      if (bytes.readUInt16BE(this.startOf(ends.length - 1)) === TRAILER) ends.pop();
    }
    this.isFirst = false;
    this.progress.rows += ends.length;
    this.onProgress(this.progress);
  }
}
