import { ENCODER_VERSION } from '../../platform/index.js';
import type { Day } from '../datasets/rows.sql.js';
import { dayAfter, partitionOf } from '../layout/calendar.js';
import { FILE_BYTES } from '../layout/layout.js';
import { sha256Of } from '../layout/manifest.js';
import type { Plan } from './plan.js';

/** Rows that go into one folder. */
export interface Partition {
  name: string;
  from: string;
  /** The day after its last one that has rows. */
  to: string;
  rows: number;
  /** The same only where the same rows would be written in the same way. */
  fingerprint: string;
}

/** The partitions that days with rows fall into, in order. */
export function partitionsOf(days: readonly Day[], { dataset, units, format, columns, filter }: Plan): Partition[] {
  const way = [ENCODER_VERSION, FILE_BYTES, dataset.name, dataset.schemaVersion, format, columns.map(({ name, type }) => [name, type]), filter?.conditions.map(({ column, operator, operands }) => [column.name, operator, operands])];
  return [...Map.groupBy(days, ({ day }) => partitionOf(day, units))].map(([name, some]) => ({
    name, from: some[0]!.day, to: dayAfter(some.at(-1)!.day), rows: some.reduce((sum, { rows }) => sum + Number(rows), 0),
    fingerprint: sha256Of(JSON.stringify([way, some.map(({ day, rows, fingerprint }) => [day, rows, fingerprint])])),
  }));
}
