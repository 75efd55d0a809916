import type { Column, ColumnType } from './table.js';

const SQL_TYPES = { text: 'text', uuid: 'uuid', json: 'text', integer: 'bigint', double: 'double precision', boolean: 'boolean', date: 'date', timestamp: 'timestamptz' } satisfies Record<Extract<ColumnType, string>, string>;

export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** The rows of a SELECT with each column as its declared type prints, or as `express` has it where that answers something. The order stays: Postgres only passes the rows on. */
export function selectFrom(select: string, columns: Column[], express: (column: Column, name: string) => string | undefined): string {
  const names = columns.map(({ name }) => quoted(name));
  const values = columns.map((column, index) => express(column, names[index]!) ?? `${names[index]!}::${typeof column.type === 'object' ? 'numeric' : SQL_TYPES[column.type]}`);
  return `SELECT ${values.join(', ')} FROM (${select}\n) AS part (${names.join(', ')})`;
}
