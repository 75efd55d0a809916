import type { Fault, Format } from '../../platform/index.js';
import type { Dataset, DatasetColumn } from '../datasets/dataset.js';
import { columnsOf, findColumnFaults, findDataset } from '../datasets/datasets.js';
import { type Filter, readFilter } from '../datasets/filter.js';
import { daysBetween, readDay, type Unit, UNITS } from '../layout/calendar.js';
import type { ExportOptions } from './exports.dto.js';

/** Days that one export may span, a century: days without rows cost nothing, so "all there is" may be written as one range. */
const MAX_DAYS = 36_525;

const COMPRESSIONS: Record<Format['kind'], readonly string[]> = { parquet: ['zstd', 'snappy', 'gzip', 'none'], csv: ['none', 'gzip', 'zstd'], json: ['none', 'gzip', 'zstd'] };

/** What is to be written and how, apart from the days. */
export interface Plan {
  dataset: Dataset;
  format: Format;
  units: readonly Unit[];
  columns: readonly DatasetColumn[];
  filter?: Filter;
  target: 'lake' | 'private';
}

/** Reads what an export is asked to be. Answers every fault, with pointers that begin with `at`. */
export function readOptions(options: ExportOptions, at = ''): Plan | Fault[] {
  const { format: kind, compression = COMPRESSIONS[kind][0]!, partition_by = [...UNITS], formula_safe = false } = options;
  const faults: Fault[] = [];
  const dataset = findDataset(options.dataset);
  if (!dataset) faults.push({ pointer: `${at}/dataset`, detail: 'is no dataset; GET /v1/datalake/datasets lists them' });
  if (!COMPRESSIONS[kind].includes(compression)) faults.push({ pointer: `${at}/compression`, detail: `must be one of ${COMPRESSIONS[kind].join(', ')} for ${kind}` });
  if (partition_by.some((unit, index) => unit !== UNITS[index])) faults.push({ pointer: `${at}/partition_by`, detail: 'must be the beginning of ["year", "month", "day"], or empty' });
  if (formula_safe && kind !== 'csv') faults.push({ pointer: `${at}/formula_safe`, detail: 'is about CSV only' });
  if (dataset && options.columns) faults.push(...findColumnFaults(dataset, options.columns, `${at}/columns`));
  const filter = dataset && options.filter && readFilter(dataset, options.filter, `${at}/filter`);
  if (Array.isArray(filter)) faults.push(...filter);
  const apart = [
    [options.columns, 'columns'], [options.filter, 'filter'], [formula_safe, 'formula_safe'], [partition_by.length < UNITS.length, 'another partition_by'],
  ].flatMap(([isGiven, name]) => (isGiven ? [name] : []));
  if (options.target === 'lake' && apart.length > 0) faults.push({ pointer: `${at}/target`, detail: `must not be "lake" with ${apart.join(', ')}: what is shared holds whole datasets, by the day` });
  if (faults.length > 0) return faults;
  return {
    dataset: dataset!, format: { kind, compression, ...(formula_safe && { formulaSafe: true }) } as Format, units: partition_by as Unit[],
    columns: columnsOf(dataset!, options.columns), filter: filter as Filter | undefined, target: apart.length > 0 ? 'private' : (options.target ?? 'lake'),
  };
}

/** Reads the days of an export, from the first to before the last. */
export function readRange({ from, to }: { from: string; to: string }): { from: string; to: string } | Fault[] {
  const [first, end] = [readDay(from), readDay(to)];
  const faults = [[first, '/from'], [end, '/to']].flatMap(([day, pointer]) => (day === undefined ? [{ pointer: pointer!, detail: 'must be a UTC day, such as 2026-01-31 or 2026-01-31T00:00:00Z' }] : []));
  if (first === undefined || end === undefined) return faults;
  if (end <= first) return [{ pointer: '/to', detail: 'must be later than from: it is the day after the last one' }];
  if (daysBetween(first, end) > MAX_DAYS) return [{ pointer: '/to', detail: `must be at most ${MAX_DAYS} days after from` }];
  return { from: first, to: end };
}
