import { type Caller, permits } from '../../auth/index.js';
import { type Fault, Problem } from '../../platform/index.js';
import { attempts } from './attempts.sql.js';
import { costData } from './cost-data.sql.js';
import type { Dataset, DatasetColumn } from './dataset.js';
import { deliveries } from './deliveries.sql.js';
import { events } from './events.sql.js';

/** All that leaves as files. A domain declares its own beside these and adds it here; everything else follows from the declaration. */
export const datasets: readonly Dataset[] = [costData, events, deliveries, attempts];

export function findDataset(name: string): Dataset | undefined {
  return datasets.find((dataset) => dataset.name === name);
}

/** Refuses who may not read what a dataset is made of: an export is no way round the scopes. */
export function requireScope(caller: Caller, dataset: Dataset): void {
  const { name, scope } = dataset;
  if (!mayRead(caller, dataset)) throw new Problem('forbidden', `The dataset ${name} needs a key with the scope ${scope} as well.`);
}

/** Whether a caller may see what is in its rows. */
export function mayRead({ scopes }: Caller, { scope }: Dataset): boolean {
  return permits(scopes, scope);
}

/** What is wrong with columns that a caller chose. */
export function findColumnFaults(dataset: Dataset, names: unknown, pointer = '/columns'): Fault[] {
  if (!Array.isArray(names) || names.length === 0) return [{ pointer, detail: 'must be an array of at least one column' }];
  return names.flatMap((name: unknown, index): Fault[] => {
    if (!dataset.columns.some((column) => column.name === name)) return [{ pointer: `${pointer}/${index}`, detail: `is no column of ${dataset.name}` }];
    return names.indexOf(name) < index ? [{ pointer: `${pointer}/${index}`, detail: 'is there twice' }] : [];
  }).slice(0, 100);
}

/** The columns of these names, in their order; all of them, when absent. */
export function columnsOf({ name, columns }: Dataset, names?: readonly string[]): readonly DatasetColumn[] {
  return names ? names.map((each) => {
    const column = columns.find((candidate) => candidate.name === each);
    if (!column) throw new Error(`The dataset ${name} has no column ${each}.`);
    return column;
  }) : columns;
}
