import { escapeLiteral } from '../../platform/index.js';
import type { Dataset } from './dataset.js';
import { columnsOf } from './datasets.js';
import type { Condition, Filter } from './filter.js';

/** Rows of one tenant, of the days from `from` to before `to` (`YYYY-MM-DD`). */
export interface Rows {
  tenantId: string;
  from: string;
  to: string;
  filter?: Filter;
}

/** What {@link daysOf} answers of a day, all as text. */
export interface Day {
  /** `YYYY-MM-DD`. */
  day: string;
  rows: string;
  /** The same only when nothing of the day has changed: neither its rows nor how they are shown. */
  fingerprint: string;
}

/**
 * The rows, each column under its name, in one stable order. Raw, and with literals in the text, because COPY takes no parameters.
 * Times bound the partition key itself, so only partitions of these days are touched; the order leans on the index that the dataset names.
 */
export function selectOf(dataset: Dataset, { columns, ...rows }: Rows & { columns?: readonly string[] }): string {
  return `SELECT ${columnsOf(dataset, columns).map(({ sql, name }) => `${sql} AS ${name}`).join(', ')} ${fromOf(dataset, rows)}
 ORDER BY ${dataset.order.map(({ sql, type }) => (type === 'text' ? `${sql} COLLATE "C"` : sql)).join(', ')}`;
}

/**
 * The days that have rows, in order, with a fingerprint each. Raw for the system columns it is made of: every version of a row
 * stands at a place of its own (table, page and line) under the transaction that wrote it, so no column has to be read, large ones
 * least of all. The hashes are added without carry (xor), in which their order does not matter. One scan of the partitions of these days.
 * A database that was set up anew, or restored to a moment before, gives the same numbers to other rows: so the fingerprint says which one it is.
 */
export function daysOf(dataset: Dataset, rows: Rows): string {
  const { sql, type } = dataset.day;
  const day = type === 'date' ? sql : `(${sql} AT TIME ZONE 'UTC')::date`;
  const look = dataset.lookOf ? ` || ':' || (${dataset.lookOf(tenantOf(rows))})` : '';
  return `SELECT to_char(d.day, 'YYYY-MM-DD') AS day, d.rows::text AS rows, ${escapeLiteral(`${dataset.schemaVersion}:`)} || d.rows || ':' || to_hex(d.hash) || ':' || (SELECT s.system_identifier || '/' || c.timeline_id FROM pg_control_system() s, pg_control_checkpoint() c)${look} AS fingerprint
  FROM (SELECT ${day} AS day, count(*) AS rows, bit_xor(hashtidextended(r.ctid, (r.tableoid::bigint << 32) | r.xmin::text::bigint)) AS hash ${fromOf(dataset, rows)} GROUP BY 1) d
 ORDER BY 1`;
}

function fromOf({ table, day }: Dataset, rows: Rows): string {
  const bound = (value: string): string => (day.type === 'date' ? `${escapeLiteral(value)}::date` : `${escapeLiteral(`${value}T00:00:00Z`)}::timestamptz`);
  const conditions = [`r.tenant_id = ${tenantOf(rows)}`, `${day.sql} >= ${bound(rows.from)}`, `${day.sql} < ${bound(rows.to)}`, ...(rows.filter?.conditions ?? []).map(conditionOf)];
  return `FROM ${table} r WHERE ${conditions.join(' AND ')}`;
}

function tenantOf({ tenantId }: Rows): string {
  return `${escapeLiteral(tenantId)}::uuid`;
}

const SIGNS = { gt: '>', gte: '>=', lt: '<', lte: '<=' } as const;

function conditionOf({ column: { sql }, operator, operands }: Condition): string {
  const [first = 'NULL'] = operands;
  if (operator === 'eq') return first === 'NULL' ? `${sql} IS NULL` : `${sql} = ${first}`;
  if (operator === 'ne') return `${sql} IS DISTINCT FROM ${first}`;
  if (operator === 'in') return `${sql} IN (${operands.join(', ')})`;
  if (operator === 'prefix') return `starts_with(${sql}, ${first})`;
  return `${sql} ${SIGNS[operator]} ${first}`;
}
