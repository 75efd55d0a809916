import type { Scope } from '../../auth/index.js';
import type { Column } from '../../platform/index.js';

export interface DatasetColumn extends Column {
  description: string;
  /** The SQL expression it comes from, over the row `r`. */
  sql: string;
}

/** A table that leaves as files, a day at a time. */
export interface Dataset {
  /** Also the folder of its lake. */
  name: string;
  /** What its files' names begin with. */
  fileName: string;
  description: string;
  /** Counts the changes to its columns. */
  schemaVersion: number;
  /** What a caller must be allowed to read, beside the lake, to take it out. */
  scope: Scope;
  columns: readonly DatasetColumn[];
  /** The table it comes from. Its `tenant_id` says whose a row is. */
  table: string;
  /** The column whose UTC day is the partition. */
  day: DatasetColumn;
  /** The columns it is sorted by within a partition; unique together with the tenant. */
  order: readonly DatasetColumn[];
  /** SQL that answers one text on which the look of its rows depends beside the rows themselves: when that changes, so have they. */
  lookOf?: (tenant: string) => string;
}

interface Declaration extends Omit<Dataset, 'columns' | 'day' | 'order'> {
  /** By name, in the order in which files hold them. Absent, `sql` is the column of that name; nothing is nullable unless it says so. */
  columns: Record<string, Omit<DatasetColumn, 'name' | 'sql' | 'nullable'> & { sql?: string; nullable?: boolean }>;
  day: string;
  order: readonly string[];
}

const NAME = /^[a-z][a-z0-9_]{0,62}$/;
/** Folders of the layout. */
const TAKEN = new Set(['year', 'month', 'day']);

/** A dataset of a declaration, which may be wrong only as long as nobody has started it. */
export function defineDataset({ columns: declared, day, order, ...rest }: Declaration): Dataset {
  const columns = Object.entries(declared).map(([name, column]): DatasetColumn => ({ nullable: false, sql: `r.${name}`, ...column, name }));
  for (const name of [rest.name, rest.fileName, rest.table, ...columns.map((column) => column.name)]) {
    if (!NAME.test(name) || TAKEN.has(name)) throw new Error(`The dataset ${rest.name} cannot have the name ${name} in it.`);
  }
  const columnOf = (name: string): DatasetColumn => {
    const column = columns.find((each) => each.name === name);
    if (!column || column.nullable) throw new Error(`The dataset ${rest.name} leans on ${name}, which is not always there.`);
    return column;
  };
  if (columnOf(day).type !== 'date' && columnOf(day).type !== 'timestamp') throw new Error(`The dataset ${rest.name} has no days: ${day} is no time.`);
  return { ...rest, columns, day: columnOf(day), order: order.map(columnOf) };
}
