import { expect, test } from 'vitest';
import { partitionOf, readDay, UNITS } from './calendar.js';
import { extensionOf, folderOfRange, keyOf, lakePrefix, partitionOfKey, privatePrefix } from './layout.js';

test.for([
  [['year', 'month', 'day'], 'exports/cost_data/year=2024/month=12/day=01/costs_20241201.parquet'],
  [['year', 'month'], 'exports/cost_data/year=2024/month=12/costs_202412.parquet'],
  [['year'], 'exports/cost_data/year=2024/costs_2024.parquet'],
  [[], 'exports/cost_data/costs.parquet'],
] as const)('partitioned by %j the first of December 2024 is in %s', ([units, key]) => {
  expect(keyOf({ prefix: 'exports/cost_data', fileName: 'costs', extension: '.parquet' }, partitionOf('2024-12-01', units))).toBe(key);
});

test.for([
  [{ kind: 'parquet', compression: 'zstd' }, 'exports/events', '.parquet'],
  [{ kind: 'csv', compression: 'none' }, 'exports/events_csv', '.csv'],
  [{ kind: 'csv', compression: 'gzip' }, 'exports/events_csv', '.csv.gz'],
  [{ kind: 'csv', compression: 'zstd' }, 'exports/events_csv', '.csv.zst'],
  [{ kind: 'json', compression: 'none' }, 'exports/events_json', '.json'],
  [{ kind: 'json', compression: 'zstd' }, 'exports/events_json', '.json.zst'],
] as const)('%j has a prefix and an extension of its own', ([format, prefix, extension]) => {
  expect([lakePrefix('events', format.kind), extensionOf(format)]).toEqual([prefix, extension]);
});

test('a private export is in a folder that no engine looks into', () => {
  expect(privatePrefix('id', 'events')).toBe('exports/_private/id/events');
});

test.for([
  ['exports/cost_data/year=2024/month=12/day=01/costs_20241201.parquet', '2024-12-01'],
  ['exports/cost_data/year=2024/month=12/day=01/costs_20241201_part2.csv.gz', '2024-12-01'],
  ['exports/cost_data/year=2024/month=12/day=01/costs_20241202.parquet', undefined],
  ['exports/cost_data/year=2024/month=12/day=01/notes_20241201.parquet', undefined],
  ['exports/cost_data/year=2024/month=12/day=01/costs_20241201.parquet.bak', undefined],
  ['exports/cost_data/year=2024/month=12/day=01/costs_20241201_part0.parquet', undefined],
  ['exports/cost_data/year=2024/month=12/day=01/deeper/costs_20241201.parquet', undefined],
  ['exports/cost_data_csv/year=2024/month=12/day=01/costs_20241201.csv', undefined],
  ['exports/cost_data/_manifest.json', undefined],
] as const)('%s belongs to %s', ([key, partition]) => {
  expect(partitionOfKey(key, { prefix: 'exports/cost_data', fileName: 'costs' })).toBe(partition);
});

test('what an export names it knows again, in every format', () => {
  for (const extension of ['.parquet', '.csv', '.csv.gz', '.csv.zst', '.json', '.json.gz', '.json.zst']) {
    const layout = { prefix: 'exports/cost_data', fileName: 'costs', extension };
    expect(partitionOfKey(keyOf(layout, partitionOf('2024-02-29', UNITS)), layout)).toBe('2024-02-29');
  }
});

test.for([
  ['2024-12-01', '2024-12-02', 'p/year=2024/month=12/day=01/'],
  ['2024-12-01', '2025-01-01', 'p/year=2024/month=12/'],
  ['2024-11-30', '2024-12-02', 'p/year=2024/'],
  ['2024-12-31', '2025-01-02', 'p/'],
] as const)('the days from %s to before %s are all in %s', ([from, to, folder]) => {
  expect(folderOfRange('p', from, to)).toBe(folder);
});

test.for([
  ['2024-02-29', '2024-02-29'], ['2024-12-01T00:00:00Z', '2024-12-01'], ['2024-12-01T02:00:00+02:00', '2024-12-01'],
  ['2023-02-29', undefined], ['2024-12-01T00:00:01Z', undefined], ['2024-12-01T00:00:00', undefined], ['1.12.2024', undefined], ['0000-01-01', undefined], [20241201, undefined],
] as const)('%s as a day is %s', ([written, day]) => {
  expect(readDay(written)).toBe(day);
});
