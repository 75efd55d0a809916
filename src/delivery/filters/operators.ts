import { readExpression } from '../../platform/index.js';
import type { Meter } from './path.js';

/** A comparison with its operand read. */
export interface Comparison {
  test: (value: unknown, meter: Meter) => boolean;
  /** What a value has to be, in words that follow "is not". */
  wanted: string;
  /** The values found must all fail the test instead, and there may be none. */
  negated?: boolean;
  /** Looks only at whether there is a value. */
  presence?: boolean;
}

/** Why an operand cannot be used; `at` continues the pointer to it. */
export interface Misuse {
  detail: string;
  at?: string;
  /** It took long to find that out. */
  costly?: true;
}

const MAX_LISTED = 100;

const SCALAR = 'must be a string, a number, true, false or null';
const TOO_LARGE = 'must be a number below 1.8e308';

/** How each operator reads its operand. Values of different types never match, so `"5"` is neither 5 nor less than 6. */
const READERS: Record<string, (operand: unknown) => Comparison | Misuse> = {
  $eq: (operand) => equal(operand),
  $ne: (operand) => negate(equal(operand)),
  $gt: (operand) => ordered(operand, 'greater than', (value, limit) => value > limit),
  $gte: (operand) => ordered(operand, 'at least', (value, limit) => value >= limit),
  $lt: (operand) => ordered(operand, 'less than', (value, limit) => value < limit),
  $lte: (operand) => ordered(operand, 'at most', (value, limit) => value <= limit),
  $in: (operand) => listed(operand),
  $nin: (operand) => negate(listed(operand)),
  $exists: (operand) => (typeof operand === 'boolean' ? { test: () => true, wanted: 'there', negated: !operand, presence: true } : { detail: 'must be true or false' }),
  $prefix: (operand) => (typeof operand === 'string'
    ? { test: (value) => typeof value === 'string' && value.startsWith(operand), wanted: `a string that begins with ${show(operand)}` }
    : { detail: 'must be a string' }),
  $regex: (operand) => expression(operand),
};

export const OPERATORS = Object.keys(READERS);

/** Reads the operand of an operator, or says what is wrong with it. Undefined when there is no such operator. */
export function readComparison(operator: string, operand: unknown): Comparison | Misuse | undefined {
  return Object.hasOwn(READERS, operator) ? READERS[operator]!(operand) : undefined;
}

/** A value in words, cut short. */
export function show(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > 120 ? `${text.slice(0, 120)}…` : text;
}

function equal(operand: unknown): Comparison | Misuse {
  const detail = scalarFault(operand);
  return detail ? { detail } : { test: (value) => value === operand, wanted: show(operand) };
}

function listed(operand: unknown): Comparison | Misuse {
  if (!Array.isArray(operand)) return { detail: 'must be an array' };
  if (operand.length === 0 || operand.length > MAX_LISTED) return { detail: `must hold 1 to ${MAX_LISTED} values` };
  const faulty = operand.findIndex(scalarFault);
  if (faulty >= 0) return { detail: scalarFault(operand[faulty])!, at: `/${faulty}` };
  const values = new Set(operand);
  return { test: (value) => values.has(value), wanted: `one of ${show(operand)}` };
}

function negate(read: Comparison | Misuse): Comparison | Misuse {
  return 'detail' in read ? read : { ...read, negated: true };
}

function ordered(operand: unknown, words: string, holds: (value: number | string, limit: number | string) => boolean): Comparison | Misuse {
  if (typeof operand !== 'number' && typeof operand !== 'string') return { detail: 'must be a number or a string' };
  if (typeof operand === 'number' && !Number.isFinite(operand)) return { detail: TOO_LARGE };
  const type = typeof operand;
  return { test: (value) => typeof value === type && holds(value as number | string, operand), wanted: `${words} ${show(operand)}` };
}

function scalarFault(operand: unknown): string | undefined {
  if (Array.isArray(operand)) return `${SCALAR}; for any of several use $in`;
  if (typeof operand === 'object' && operand !== null) return SCALAR;
  if (typeof operand !== 'number') return undefined;
  if (!Number.isFinite(operand)) return TOO_LARGE;
  // Numbers are doubles here. Past 2^53 neighbours become equal, so the wrong event could pass.
  return Math.abs(operand) > Number.MAX_SAFE_INTEGER ? 'must be within ±9007199254740991 (2^53 - 1) to be compared exactly; use $gt or $lt, or publish such ids as strings' : undefined;
}

/** An expression that is found anywhere in a string. */
function expression(operand: unknown): Comparison | Misuse {
  if (typeof operand !== 'string') return { detail: 'must be a string' };
  const read = readExpression(operand);
  if ('detail' in read) return read;
  return {
    test: (value, meter) => {
      if (typeof value !== 'string') return false;
      meter.spend(Math.ceil((value.length * read.size) / 10));
      return read.test(value);
    },
    wanted: `a string that matches ${show(operand)}`,
  };
}
