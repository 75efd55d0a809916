import type { Snapshot } from '../db/copy.js';
import type { Pace } from '../pacing/pace.js';
import type { Store } from '../storage/store.js';
import { csvTable } from './csv.js';
import { jsonTable } from './json-lines.js';
import { NeedsPrecision, type Precision } from './precision.js';
import { Rows } from './rows.js';
import { quoted, selectFrom } from './select.js';
import type { Progress, TablePart, WrittenFile } from './table.js';
import { type TableFile, TextFile } from './text-file.js';

const EXTENSION = /(\.(?:parquet|(?:csv|json)(?:\.gz|\.zst)?))?$/;
const CONTENT_TYPES = { parquet: 'application/vnd.apache.parquet', csv: 'text/csv; charset=utf-8', json: 'application/x-ndjson' };
const COMPRESSED_TYPES: Record<string, string> = { gzip: 'application/gzip', zstd: 'application/zstd' };

/** At least one file, also when there is no row. On a fault nothing that it staged is left. */
export async function writePart(snapshot: Snapshot, store: Store, part: TablePart, signal: AbortSignal, pace: Pace, onProgress: (progress: Progress) => void): Promise<WrittenFile[]> {
  // A decimal takes 18 digits for as long as they do: which ones, is a matter of the part's rows alone and not known before the
  // last of them. So the rare part that needs more is read twice. With 18 behind the point there is no room before it.
  const wide = new Set(part.columns.filter(({ type }) => typeof type === 'object' && type.decimal >= 18).map(({ name }) => name));
  for (;;) {
    const staged: WrittenFile[] = [];
    try {
      return await writeFiles(snapshot, store, part, (name) => (wide.has(name) ? 38 : 18), staged, signal, pace, onProgress);
    } catch (error) {
      // What cannot be discarded now is found by the store's sweep.
      for (const file of staged) await store.discard(file).catch(() => {});
      if (!(error instanceof NeedsPrecision)) throw error;
      for (const name of await findWide(snapshot, part)) wide.add(name);
    }
  }
}

/** The decimal columns that hold a number of more than 18 digits. */
async function findWide(snapshot: Snapshot, { select, columns }: TablePart): Promise<string[]> {
  const decimals = columns.flatMap(({ name, type }) => (typeof type === 'object' ? [{ name, limit: `1e${18 - type.decimal}` }] : []));
  const tests = decimals.map(({ name, limit }, index) => `coalesce(bool_or(abs(${quoted(name)}::numeric) >= ${limit}), false)::text AS "${index}"`);
  const [found] = await snapshot.rows(`SELECT ${tests.join(', ')} FROM (${select}\n) AS part (${columns.map(({ name }) => quoted(name)).join(', ')})`);
  return decimals.filter((_decimal, index) => found![index] === 'true').map(({ name }) => name);
}

async function writeFiles(snapshot: Snapshot, store: Store, part: TablePart, precisionOf: (column: string) => Precision, staged: WrittenFile[], signal: AbortSignal, pace: Pace, onProgress: (progress: Progress) => void): Promise<WrittenFile[]> {
  const { select, nextFile, copyFormat } = await planOf(part, precisionOf);
  const rows = new Rows(snapshot.copy(select, copyFormat), copyFormat === 'binary', pace, onProgress);
  const { kind, compression } = part.format;
  const contentType = (kind !== 'parquet' && COMPRESSED_TYPES[compression]) || CONTENT_TYPES[kind];
  try {
    do {
      const file = nextFile(rows);
      const key = staged.length === 0 ? part.key : part.key.replace(EXTENSION, `_part${staged.length + 1}$1`);
      const result = await store.stage(key, file.body(), { contentType, signal });
      staged.push({ ...result, rows: file.rows, sums: Object.fromEntries(file.sums.map((sum) => [sum.column, String(sum)])) });
    } while (await rows.more());
    return staged;
  } catch (error) {
    // To be read again in the same snapshot, which would not outlive a COPY broken off.
    if (error instanceof NeedsPrecision) while (await rows.more()) rows.next = rows.ends.length;
    throw error;
  } finally {
    rows.stop();
  }
}

async function planOf(part: TablePart, precisionOf: (column: string) => Precision): Promise<{ select: string; copyFormat: 'text' | 'csv' | 'binary'; nextFile: (rows: Rows) => TableFile }> {
  const { format, columns, fileBytes } = part;
  if (format.kind === 'parquet') {
    // Its encoder takes a quarter of a second to load, which the other formats need not wait for.
    const { ParquetFile } = await import('./parquet.js');
    return { select: selectFrom(part.select, columns, () => undefined), copyFormat: 'binary', nextFile: (rows) => new ParquetFile(part, rows, precisionOf) };
  }
  const table = format.kind === 'csv' ? csvTable(columns, format) : jsonTable(columns);
  return { select: table.select(part.select), copyFormat: table.copyFormat, nextFile: (rows) => new TextFile(table, rows, format.compression, fileBytes) };
}
