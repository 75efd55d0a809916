import { type Fault, isObject, namesOf, pointerTo } from '../../platform/index.js';
import { All, Any, type Clause, Compared, Filter, Not } from './filter.js';
import { OPERATORS, readComparison } from './operators.js';

const MAX_TEXT = 16 * 1024;
const MAX_CLAUSES = 100;
const MAX_DEPTH = 16;
/** Making one ready can take 50 ms. */
const MAX_EXPRESSIONS = 10;
const ROOTS = ['data', 'metadata', 'event_type'];

/**
 * Reads a filter from the wire and makes it ready. The grammar, in which every object means that all its members hold:
 *
 *     object    = { member, … }                   at least one
 *     member    = "$and" | "$or": [ condition, … ]
 *               | "$not": condition
 *               | operator: operand               compares what stands at the path so far
 *               | path: condition                 goes further down; the first name is data, metadata or event_type
 *     condition = object | value                  a bare value means $eq, and needs a path
 *
 * Answers every fault with a pointer that starts with `pointer`.
 */
export function readFilter(value: unknown, pointer = '/filter'): Filter | Fault[] {
  if (!isObject(value)) return [{ pointer, detail: 'must be an object, or null for no filter' }];
  if (JSON.stringify(value).length > MAX_TEXT) return [{ pointer, detail: `must be at most ${MAX_TEXT} characters of JSON` }];
  const reading = new Reading(pointer.length);
  const root = reading.object(value, [], pointer, 1);
  return reading.faults.length > 0 ? reading.faults : new Filter(root);
}

/** One pass over a filter. Faulty parts are left out of what it answers, and noted. */
class Reading {
  readonly faults: Fault[] = [];
  private clauses = 0;
  private expressions = 0;
  /** One expression took long to find too complex: the others are not looked at. */
  private isCostly = false;

  /** `stem`: how much of a fault's pointer leads to the filter itself. */
  constructor(private readonly stem: number) {}

  object(value: Record<string, unknown>, names: string[], pointer: string, depth: number): Clause {
    const members = Object.entries(value);
    if (depth > MAX_DEPTH) this.fault(pointer, `is nested more than ${MAX_DEPTH} levels deep`);
    else if (members.length === 0) this.fault(pointer, 'must hold at least one condition');
    else return new All(members.flatMap(([name, part]) => this.member(name, part, names, pointerTo(pointer, name), depth) ?? []));
    return new All([]);
  }

  private member(name: string, part: unknown, names: string[], pointer: string, depth: number): Clause | undefined {
    if (name === '$and' || name === '$or') {
      if (!Array.isArray(part) || part.length === 0) return this.fault(pointer, 'must be an array of at least one condition');
      const parts = part.flatMap((each, index) => this.condition(each, names, `${pointer}/${index}`, depth + 1) ?? []);
      return name === '$and' ? new All(parts) : new Any(parts, this.inside(pointer));
    }
    if (name === '$not') {
      const negated = this.condition(part, names, pointer, depth + 1);
      return negated && new Not(negated, this.inside(pointer));
    }
    if (name.startsWith('$')) return this.comparison(name, part, names, pointer);
    const further = namesOf(name);
    if (further.includes('')) return this.fault(pointer, 'has an empty name in its path');
    const path = [...names, ...further];
    if (!ROOTS.includes(path[0]!)) return this.fault(pointer, 'must begin with data, metadata or event_type');
    if (path[0] === 'event_type' && path.length > 1) return this.fault(pointer, 'goes into event_type, which is a string');
    return this.condition(part, path, pointer, depth + 1);
  }

  private condition(value: unknown, names: string[], pointer: string, depth: number): Clause | undefined {
    if (isObject(value)) return this.object(value, names, pointer, depth);
    return names.length === 0 ? this.fault(pointer, 'must be an object of conditions') : this.comparison('$eq', value, names, pointer);
  }

  private comparison(operator: string, operand: unknown, names: string[], pointer: string): Clause | undefined {
    if (operator === '$regex' && ++this.expressions > MAX_EXPRESSIONS) return this.fault(pointer, `is one expression too many: a filter holds at most ${MAX_EXPRESSIONS}`);
    if (operator === '$regex' && this.isCostly) return undefined;
    const read = readComparison(operator, operand);
    if (!read) return this.fault(pointer, `is not an operator; there are $and, $or, $not, ${OPERATORS.join(', ')}`);
    if (names.length === 0) return this.fault(pointer, 'compares nothing: it must stand under a path such as "data.amount"');
    if (++this.clauses > MAX_CLAUSES) return this.clauses === MAX_CLAUSES + 1 ? this.fault(pointer, `is one comparison too many: a filter holds at most ${MAX_CLAUSES}`) : undefined;
    if ('costly' in read) this.isCostly = true;
    return 'detail' in read ? this.fault(pointer + (read.at ?? ''), read.detail) : new Compared(names, read, this.inside(pointer));
  }

  private inside(pointer: string): string {
    return pointer.slice(this.stem);
  }

  private fault(pointer: string, detail: string): undefined {
    this.faults.push({ pointer, detail });
  }
}
