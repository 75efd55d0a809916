import { setImmediate as nextTurn } from 'node:timers/promises';
import { compressor } from './compress.js';
import type { DecimalSum } from './decimal-sum.js';
import { Output } from './output.js';
import type { Rows } from './rows.js';
import type { Format } from './table.js';

/** What goes through compression and to the store in one piece. */
const CHUNK_BYTES = 512 * 1024;

/** A format of one line a row, made from what COPY sends. */
export interface TextTable {
  copyFormat: 'csv' | 'text';
  /** What COPY runs in place of a part's SELECT. */
  select(select: string): string;
  header: string;
  encoder(): TextEncoder;
}

/** Writes the rows of one file and adds up what is in them. */
export interface TextEncoder {
  readonly sums: DecimalSum[];
  /** One row, as COPY sent it, with the line break behind it. */
  encode(bytes: Buffer, from: number, to: number, output: Output): void;
}

/** One file being written: how many rows and which sums it has, once its body has ended. */
export interface TableFile {
  rows: number;
  readonly sums: DecimalSum[];
  body(): AsyncGenerator<Uint8Array>;
}

/**
 * A file of text lines. It ends behind the row that brings it to `fileBytes`; compressed, behind the chunk that does, so that the
 * same rows always end where they did before.
 */
export class TextFile implements TableFile {
  rows = 0;
  private readonly encoder: TextEncoder;

  constructor(private readonly table: TextTable, private readonly source: Rows, private readonly compression: Exclude<Format['compression'], 'snappy'>, private readonly fileBytes: number) {
    this.encoder = table.encoder();
  }

  get sums(): DecimalSum[] {
    return this.encoder.sums;
  }

  async *body(): AsyncGenerator<Uint8Array> {
    const output = new Output(CHUNK_BYTES + CHUNK_BYTES / 8);
    output.at = output.bytes.write(this.table.header);
    const compression = compressor(this.compression);
    let bytes = 0;
    try {
      // One row at least, or there would be no end of files.
      while ((this.rows === 0 || bytes + (this.compression === 'none' ? output.at : 0) < this.fileBytes) && (await this.source.more())) {
        this.takeRows(output, this.compression === 'none' ? this.fileBytes - bytes : Infinity);
        if (output.at < CHUNK_BYTES) continue;
        for (const piece of await compression.compress(output.take())) {
          bytes += piece.length;
          yield piece;
        }
        // Encoding takes no break of its own, and an abort must be heard.
        await nextTurn();
      }
      for (const piece of [...(await compression.compress(output.take())), ...(await compression.finish())]) yield piece;
    } finally {
      compression.close();
    }
  }

  /** Takes rows at hand, one at least, until the chunk is full or holds `limit` bytes. */
  private takeRows(output: Output, limit: number): void {
    const { source, encoder } = this;
    const { bytes, ends } = source;
    const enough = Math.min(CHUNK_BYTES, limit);
    let from = source.startOf(source.next);
    const first = source.next;
    do {
      const to = ends[source.next++]!;
      encoder.encode(bytes, from, to, output);
      from = to;
    } while (source.next < ends.length && output.at < enough);
    this.rows += source.next - first;
  }
}
