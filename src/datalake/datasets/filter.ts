import { escapeLiteral, type Fault, isObject, pointerTo, readTime } from '../../platform/index.js';
import type { Dataset, DatasetColumn } from './dataset.js';

export type Operator = 'eq' | 'ne' | 'gt' | 'gte' | 'lt' | 'lte' | 'in' | 'prefix';

/** One comparison of a column; its operands are SQL literals, quoted and typed. */
export interface Condition {
  column: DatasetColumn;
  operator: Operator;
  /** One, or of `in` any number. Undefined stands for null. */
  operands: (string | undefined)[];
}

/** What all rows of an export have in common. */
export interface Filter {
  conditions: Condition[];
}

const MAX_CONDITIONS = 100;
const MAX_ALTERNATIVES = 1_000;
const MAX_TEXT = 1_000;

const EQUAL: readonly Operator[] = ['eq', 'ne', 'in'];
const ORDERED: readonly Operator[] = [...EQUAL, 'gt', 'gte', 'lt', 'lte'];

/** What can be asked of a kind of column, how a literal of it looks, and in words what a value must be. */
interface Kind {
  operators: readonly Operator[];
  literal: (value: unknown) => string | undefined;
  must: string;
}

const DATE = /^\d{4}-\d\d-\d\d$/;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const DECIMAL = /^-?\d{1,38}(\.\d{1,38})?$/;
const typed = (type: string, value: string): string => `${escapeLiteral(value)}::${type}`;

const KINDS: Record<string, Kind> = {
  text: {
    operators: [...EQUAL, 'prefix'],
    literal: (value) => (typeof value === 'string' && value.length <= MAX_TEXT && !value.includes('\0') ? typed('text', value) : undefined),
    must: `must be a string of at most ${MAX_TEXT} characters`,
  },
  uuid: { operators: EQUAL, literal: (value) => (typeof value === 'string' && UUID.test(value) ? typed('uuid', value) : undefined), must: 'must be a UUID' },
  boolean: { operators: ['eq', 'ne'], literal: (value) => (typeof value === 'boolean' ? String(value) : undefined), must: 'must be true or false' },
  integer: { operators: ORDERED, literal: (value) => (Number.isSafeInteger(value) ? typed('bigint', String(value)) : undefined), must: 'must be a whole number' },
  double: { operators: ORDERED, literal: (value) => (Number.isFinite(value) ? typed('float8', String(value)) : undefined), must: 'must be a number' },
  decimal: {
    operators: ORDERED,
    literal: (value) => (Number.isFinite(value) || (typeof value === 'string' && DECIMAL.test(value)) ? typed('numeric', String(value)) : undefined),
    must: 'must be a number, or a string of digits such as "0.1"',
  },
  date: { operators: ORDERED, literal: (value) => (typeof value === 'string' && DATE.test(value) && readTime(`${value}T00:00:00Z`) !== undefined ? typed('date', value) : undefined), must: 'must be a day such as 2026-01-31' },
  timestamp: {
    operators: ORDERED,
    literal: (value) => {
      const ms = readTime(value);
      return ms === undefined ? undefined : typed('timestamptz', new Date(ms).toISOString());
    },
    must: 'must be an RFC 3339 time with a zone, such as 2026-01-31T12:00:00Z',
  },
  json: { operators: ['eq', 'ne'], literal: () => undefined, must: 'can only be compared with null' },
};

const kindOf = ({ type }: DatasetColumn): Kind => KINDS[typeof type === 'string' ? type : 'decimal']!;

/** What can be asked of a column. */
export function operatorsOf(column: DatasetColumn): readonly Operator[] {
  return column.type === 'json' && !column.nullable ? [] : kindOf(column).operators;
}

/**
 * Reads a filter from the wire: `{column: value}` or `{column: {operator: value, …}}`, all of which must hold. `null` asks for rows
 * without a value, and `ne` is true of those too. Answers every fault with its pointer.
 */
export function readFilter(dataset: Dataset, value: unknown, pointer = '/filter'): Filter | Fault[] {
  if (!isObject(value) || Object.keys(value).length === 0) return [{ pointer, detail: 'must be an object of at least one column; leave it out for no filter' }];
  const faults: Fault[] = [];
  const conditions = Object.entries(value).flatMap(([name, asked]): Condition[] => {
    const at = pointerTo(pointer, name);
    const column = dataset.columns.find((each) => each.name === name);
    if (!column) {
      faults.push({ pointer: at, detail: `is no column of ${dataset.name}` });
      return [];
    }
    if (!isObject(asked)) return readCondition(column, 'eq', asked, at, faults);
    if (Object.keys(asked).length === 0) faults.push({ pointer: at, detail: 'must compare the column with something' });
    return Object.entries(asked).flatMap(([operator, operand]) => readCondition(column, operator, operand, pointerTo(at, operator), faults));
  });
  if (conditions.length > MAX_CONDITIONS) return [{ pointer, detail: `must hold at most ${MAX_CONDITIONS} comparisons` }];
  return faults.length > 0 ? faults : { conditions };
}

function readCondition(column: DatasetColumn, operator: string, operand: unknown, pointer: string, faults: Fault[]): Condition[] {
  const allowed = operatorsOf(column);
  const fault = (detail: string, at = pointer): [] => {
    faults.push({ pointer: at, detail });
    return [];
  };
  if (!allowed.includes(operator as Operator)) return fault(allowed.length === 0 ? 'cannot be filtered by' : `is no comparison of this column; there are ${allowed.join(', ')}`);
  if (operator === 'in' && (!Array.isArray(operand) || operand.length === 0 || operand.length > MAX_ALTERNATIVES)) return fault(`must be an array of 1 to ${MAX_ALTERNATIVES} values`);
  const values = operator === 'in' ? (operand as unknown[]) : [operand];
  const { literal, must } = kindOf(column);
  const takesNull = column.nullable && (operator === 'eq' || operator === 'ne');
  const operands = values.map((value, index) => {
    if (value === null && takesNull) return undefined;
    const read = literal(value);
    if (read === undefined) fault(value === null && !column.nullable ? 'is never null' : must, operator === 'in' ? `${pointer}/${index}` : pointer);
    return read;
  });
  return [{ column, operator: operator as Operator, operands }];
}
