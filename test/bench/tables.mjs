/** Writes tables to files, or has DuckDB do it, in a process of its own, whose memory is measured. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { findDataset } from '../../dist/datalake/datasets/datasets.js';
import { selectOf } from '../../dist/datalake/datasets/rows.sql.js';
import { TableWriter } from '../../dist/platform/tabular/table-writer.js';
import { serveHelper } from './helper.mjs';

const FILE_BYTES = 128 * 1024 * 1024;
const costData = findDataset('cost_data');

serveHelper({
  /** What all formats and floors read: the whole of `cost_data`, as an export of it does. */
  select: (rows) => selectOf(costData, rows),

  /** @returns seconds, bytes, rows, sums, and by how much memory has grown at its peak */
  async write({ databaseUrl, folder, rows, format }) {
    const watch = memoryWatch();
    const begun = performance.now();
    const writer = await TableWriter.open({ databaseUrl, store: { type: 'disk', folder } });
    const part = { select: selectOf(costData, rows), columns: costData.columns, format, key: `${format.kind}/costs.${format.kind}`, fileBytes: FILE_BYTES, metadata: {} };
    const files = await writer.write(part);
    await writer.close();
    const sum = (pick) => files.reduce((total, file) => total + pick(file), 0);
    return { ...watch(), seconds: (performance.now() - begun) / 1000, bytes: sum(({ bytes }) => bytes), rows: sum(({ rows: count }) => count), files: files.length };
  },

  /** DuckDB's way from CSV to Parquet: the same columns with the same types. `csv` is made by Postgres. */
  async duck({ csv, folder }) {
    const watch = memoryWatch();
    const instance = await DuckDBInstance.create(':memory:');
    const connection = await instance.connect();
    const types = costData.columns.map(({ name, type }) => `'${name}': '${typeof type === 'object' ? `DECIMAL(38,${type.decimal})` : (DUCK_TYPES[type] ?? 'VARCHAR')}'`).join(', ');
    const begun = performance.now();
    await connection.run(`COPY (SELECT * FROM read_csv('${csv}', header = true, columns = {${types}})) TO '${join(folder, 'duck.parquet')}' (FORMAT parquet, COMPRESSION zstd)`);
    const seconds = (performance.now() - begun) / 1000;
    connection.closeSync();
    instance.closeSync();
    return { ...watch(), seconds };
  },
});

const DUCK_TYPES = { date: 'DATE', timestamp: 'TIMESTAMPTZ', integer: 'BIGINT', double: 'DOUBLE', boolean: 'BOOLEAN' };

/** Linux keeps the peak itself, and forgets it when it is told to; elsewhere there is none. */
function memoryWatch() {
  try {
    writeFileSync('/proc/self/clear_refs', '5');
  } catch {
    // Then the peak is that since the start, which is no less.
  }
  const idle = ownMemory('VmRSS');
  return () => ({ peakBytes: ownMemory('VmHWM') - idle });
}

function ownMemory(name) {
  try {
    return Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(readFileSync('/proc/self/status', 'latin1'))[1]) * 1024;
  } catch {
    return Number.NaN;
  }
}
