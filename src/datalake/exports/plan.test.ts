import { expect, test } from 'vitest';
import type { ExportOptions } from './exports.dto.js';
import { readOptions, readRange } from './plan.js';

const options = (more: object = {}): ExportOptions => ({ dataset: 'cost_data', format: 'parquet', ...more });
const pointers = (more: object): string[] => {
  const read = readOptions(options(more), '/export');
  return Array.isArray(read) ? read.map(({ pointer }) => pointer) : [];
};

test.for([
  [{ dataset: 'costs' }, ['/export/dataset']],
  [{ format: 'csv', compression: 'snappy' }, ['/export/compression']],
  [{ format: 'json', compression: 'snappy' }, ['/export/compression']],
  [{ partition_by: ['month'] }, ['/export/partition_by']],
  [{ partition_by: ['year', 'day'] }, ['/export/partition_by']],
  [{ partition_by: ['year', 'year'] }, ['/export/partition_by']],
  [{ formula_safe: true }, ['/export/formula_safe']],
  [{ columns: ['provider', '1); DROP TABLE events --'] }, ['/export/columns/1']],
  [{ columns: [] }, ['/export/columns']],
  [{ filter: { password: 'x' } }, ['/export/filter/password']],
  [{ dataset: 'costs', format: 'csv', compression: 'snappy', partition_by: ['day'] }, ['/export/dataset', '/export/compression', '/export/partition_by']],
  [{ target: 'lake', columns: ['provider'] }, ['/export/target']],
  [{ target: 'lake', filter: { provider: 'aws' } }, ['/export/target']],
  [{ target: 'lake', partition_by: ['year'] }, ['/export/target']],
  [{ target: 'lake', format: 'csv', formula_safe: true }, ['/export/target']],
] as const)('%j is refused at %j', ([more, expected]) => {
  expect(pointers(more)).toEqual(expected);
});

test.for([
  [{}, { target: 'lake', format: { kind: 'parquet', compression: 'zstd' } }],
  [{ format: 'csv' }, { target: 'lake', format: { kind: 'csv', compression: 'none' } }],
  [{ format: 'json', compression: 'zstd' }, { target: 'lake', format: { kind: 'json', compression: 'zstd' } }],
  [{ target: 'private' }, { target: 'private' }],
  [{ columns: ['provider'] }, { target: 'private' }],
  [{ filter: { provider: 'aws' } }, { target: 'private' }],
  [{ partition_by: [] }, { target: 'private', units: [] }],
  [{ partition_by: ['year', 'month', 'day'] }, { target: 'lake' }],
  [{ format: 'csv', formula_safe: true }, { target: 'private', format: { kind: 'csv', compression: 'none', formulaSafe: true } }],
] as const)('%j becomes %j', ([more, expected]) => {
  expect(readOptions(options(more))).toMatchObject(expected);
});

test.for([
  ['2026-01-01', '2026-02-01', { from: '2026-01-01', to: '2026-02-01' }],
  ['2026-01-01T00:00:00Z', '2026-01-02T01:00:00+01:00', { from: '2026-01-01', to: '2026-01-02' }],
  ['2000-01-01', '2100-01-01', { from: '2000-01-01', to: '2100-01-01' }],
  ['2026-01-01', '2026-01-01', ['/to']],
  ['2026-01-02', '2026-01-01', ['/to']],
  ['2000-01-01', '2100-01-02', ['/to']],
  ['2026-02-30', 'tomorrow', ['/from', '/to']],
  ['2026-01-01T00:00:01Z', '2026-01-02', ['/from']],
] as const)('from %s to %s', ([from, to, expected]) => {
  const read = readRange({ from, to });
  expect(Array.isArray(read) ? read.map(({ pointer }) => pointer) : read).toEqual(expected);
});
