import { expect, test } from 'vitest';
import { addDecimals } from './decimals.js';
import { areSame, type ListedPartition, listPartition, readManifest, replaceRange, writeManifest } from './manifest.js';

test.for([
  [[], '0'],
  [['1.5', '2.25', '-0.75'], '3.00'],
  [['0.1', '0.2'], '0.3'],
  [['-0.001'], '-0.001'],
  [['-1', '0.25'], '-0.75'],
  [['99999999999999999.999999999999999999999', '0.000000000000000000001'], '100000000000000000.000000000000000000000'],
  [['10', '-3'], '7'],
] as const)('%j adds up to %s', ([values, sum]) => {
  expect(addDecimals(values)).toBe(sum);
});

const partition = (day: string, rows = 1): ListedPartition => listPartition(
  { partition: day, export_id: 'e', snapshot_at: '2026-01-01T00:00:00.000Z', schema_version: 1, compression: 'zstd', fingerprint: 'f' },
  [{ path: `${day}.parquet`, bytes: 10, sha256: 's', rows, sums: { billed_cost: '0.10' }, etag: 't' }, { path: `${day}_part2.parquet`, bytes: 5, sha256: 's', rows: 1, sums: { billed_cost: '0.2' }, etag: 't' }],
);
const daysOf = (partitions: ListedPartition[]): string[] => partitions.map((each) => each.partition);

test('a partition counts what its files hold, to the last digit', () => {
  expect(partition('2026-01-01')).toMatchObject({ row_count: 2, byte_count: 15, sums: { billed_cost: '0.30' } });
});

test.for([
  ['a day in the middle', ['2026-01-01', '2026-01-02', '2026-01-03'], ['2026-01-02', '2026-01-03'], ['2026-01-02'], ['2026-01-01', '2026-01-02', '2026-01-03']],
  ['a day that has no rows any more', ['2026-01-01', '2026-01-02', '2026-01-03'], ['2026-01-02', '2026-01-03'], [], ['2026-01-01', '2026-01-03']],
  ['days before all others', ['2026-01-05'], ['2026-01-01', '2026-01-03'], ['2026-01-02'], ['2026-01-02', '2026-01-05']],
  ['the first days', [], ['2026-01-01', '2026-01-03'], ['2026-01-02', '2026-01-01'], ['2026-01-01', '2026-01-02']],
] as const)('replacing %s leaves the others as they are, in order', ([, before, [from, to], fresh, after]) => {
  const previous = before.map((day) => partition(day));
  const replaced = replaceRange(previous, { from, to }, fresh.map((day) => partition(day, 7)));
  expect(daysOf(replaced)).toEqual(after);
  for (const each of replaced) expect(each).toEqual((fresh as readonly string[]).includes(each.partition) ? partition(each.partition, 7) : partition(each.partition));
});

const HEAD = { dataset: 'cost_data', format: 'parquet', schema_version: 1, schema: [], partition_by: ['year'], export_id: 'e', written_at: '2026-01-01T00:00:00.000Z', previous_sha256: null };

test('what was written is read again, with its totals', () => {
  const partitions = [partition('2026-01-01'), partition('2026-01-02', 3)];
  const read = readManifest(writeManifest(HEAD, partitions))!;
  expect(read).toMatchObject({ row_count: 6, byte_count: 30, sums: { billed_cost: '0.60' } });
  expect(areSame(read.partitions, partitions)).toBe(true);
  expect(areSame(read.partitions, partitions.slice(1))).toBe(false);
});

test.for(['', '{', '[]', '{"manifest_version":2,"partitions":[]}', '{"manifest_version":1}', 'null'])('%s is no manifest of ours', (text) => {
  expect(readManifest(Buffer.from(text))).toBeUndefined();
});
