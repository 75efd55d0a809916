import type { Staged } from '../storage/store.js';

/** `{ decimal: s }` is exact, with s digits behind the point. Times are UTC with microseconds. `json` is JSON text. */
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
  /** Of each decimal column, exact, as text. */
  sums: Record<string, string>;
}
