import type { Staged } from '../storage/store.js';

/** `{ decimal: s }` is exact, with s digits behind the point, at most 38 in all. Times are UTC with microseconds. `json` is JSON text. */
export type ColumnType = 'text' | 'uuid' | 'json' | 'integer' | 'double' | 'boolean' | 'date' | 'timestamp' | { decimal: number };

export interface Column {
  name: string;
  type: ColumnType;
  nullable: boolean;
  /** Few different values: worth a dictionary where the format has one. */
  dictionary?: boolean;
}

export type Format =
  | { kind: 'parquet'; compression: 'none' | 'snappy' | 'gzip' | 'zstd' }
  /** `formulaSafe`: a text that a spreadsheet would run as a formula begins with an apostrophe. */
  | { kind: 'csv'; compression: 'none' | 'gzip' | 'zstd'; formulaSafe?: boolean }
  | { kind: 'json'; compression: 'none' | 'gzip' | 'zstd' };

/** Rows to be written: all that one SELECT yields, in its order, split into files near `fileBytes`. */
export interface TablePart {
  /** Complete, without parameters; its columns are `columns`, in that order. */
  select: string;
  columns: Column[];
  format: Format;
  /** Key of the first file; the second is `…_part2.…` before the extension, and so on. */
  key: string;
  fileBytes: number;
  /** Goes into Parquet's key-value metadata, beside `row_count` and `sum(<column>)` of each decimal column. Nothing that differs between two runs over the same rows. */
  metadata: Record<string, string>;
}

export interface WrittenFile extends Staged {
  rows: number;
  /** Of each decimal column, exact, as text with all its decimal places: `sum` of the column's DECIMAL type as an engine prints it. */
  sums: Record<string, string>;
}

/** How far the part that is being written is. Back at the start when it has to be read again. */
export interface Progress {
  rows: number;
  /** As they came from Postgres. */
  bytes: number;
}

/** A value that the declared type of its column has no place for: NaN or too many digits in a decimal, a time that is infinite in Parquet. */
export class UnfitValue extends Error {
  override readonly name = 'UnfitValue';

  constructor(readonly column: string, readonly detail: string) {
    super(`${column} holds ${detail}.`);
  }
}

/** Goes up whenever the same rows come out as other bytes than before; part of what a manifest compares. */
export const ENCODER_VERSION = 1;
