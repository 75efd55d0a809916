import { expect, test } from 'vitest';
import type { Day } from '../datasets/rows.sql.js';
import type { ExportOptions } from './exports.dto.js';
import { partitionsOf } from './partitions.js';
import { type Plan, readOptions } from './plan.js';

const plan = (more: Partial<ExportOptions> = {}): Plan => readOptions({ dataset: 'cost_data', format: 'parquet', ...more }) as Plan;
const day = (name: string, rows = '5', fingerprint = 'f'): Day => ({ day: name, rows, fingerprint });
const DAYS = [day('2024-12-30'), day('2024-12-31', '7'), day('2025-01-02')];

test.for([
  [['year', 'month', 'day'], [['2024-12-30', '2024-12-30', '2024-12-31', 5], ['2024-12-31', '2024-12-31', '2025-01-01', 7], ['2025-01-02', '2025-01-02', '2025-01-03', 5]]],
  [['year', 'month'], [['2024-12', '2024-12-30', '2025-01-01', 12], ['2025-01', '2025-01-02', '2025-01-03', 5]]],
  [['year'], [['2024', '2024-12-30', '2025-01-01', 12], ['2025', '2025-01-02', '2025-01-03', 5]]],
  [[], [['', '2024-12-30', '2025-01-03', 17]]],
] as const)('by %j', ([units, expected]) => {
  expect(partitionsOf(DAYS, plan({ partition_by: [...units] })).map(({ name, from, to, rows }) => [name, from, to, rows])).toEqual(expected);
});

const of = (days: Day[], more?: Partial<ExportOptions>): string => partitionsOf(days, plan(more))[0]!.fingerprint;

test('a fingerprint is the same again for the same rows written in the same way, and for no others', () => {
  const base = [day('2024-12-30')];
  expect(of(base)).toBe(of([day('2024-12-30')]));
  const others = [
    of([day('2024-12-30', '6')]), of([day('2024-12-30', '5', 'g')]), of(base, { compression: 'snappy' }), of(base, { format: 'csv' }),
    of(base, { columns: ['provider'] }), of(base, { filter: { provider: 'aws' } }), of(base, { filter: { provider: 'azure' } }), of(base, { format: 'csv', formula_safe: true }),
  ];
  expect(new Set([of(base), ...others]).size).toBe(others.length + 1);
});
