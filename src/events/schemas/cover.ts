import { isObject, pointerTo } from '../../platform/index.js';
import { canonical, OutOfBudget, type Purse } from './compile.js';
import { findArrayBreaks, findNumberBreaks, findStringBreaks } from './bounds.js';
import { accept, closedNames, doesMatch, elementOf, type Facts, flatten, type Kind, keyword, kindsOf, namesOf, type Node, patternsOf, prefixOf, propertyOf, requiredOf, targetOf, valuesOf, within } from './facts.js';
import { childrenOf } from './walk.js';

/** A place at which the wide schema refuses what the narrow one accepts, or may. */
export interface Break {
  /** Into the data, `*` for any element or name. */
  path: string;
  /** Into the wide schema. */
  pointer: string;
  detail: string;
}

const MAX_BREAKS = 20;
const MAX_STEPS = 20_000;
/** What trying out values may cost in all: a changed enum of 250 values, met 80 times. */
const BUDGET = 3_000_000;
const MAX_APART = 4;

/**
 * Looks for a proof that a wide schema accepts whatever a narrow one accepts.
 *
 * What the narrow one says of a value is held as facts. Each keyword of the wide one must follow from them: directly, or after
 * splitting the facts by kind of value and by the branches of an `anyOf`, `oneOf` or `if`. Values that the facts list are tried
 * out. Facts that are not understood are left out, which proves less and never too much. A pair that is met again further down
 * in the value, while it is being proven, is taken as proven: values are finite.
 */
export class Cover {
  private readonly underWay = new Set<string>();
  private readonly texts = new WeakMap<object, string>();
  private readonly purse: Purse = { left: BUDGET };
  private steps = 0;

  constructor(private readonly narrow: string, private readonly wide: string) {}

  find(narrow: Node, wide: Node): Break[] {
    try {
      return firstOfEach(this.covers(flatten(narrow), wide, '')).slice(0, MAX_BREAKS);
    } catch (error) {
      if (!(error instanceof OutOfBudget) && !(error instanceof RangeError)) throw error;
      return [{ path: '', pointer: '', detail: 'the schemas are too complex to be compared in time' }];
    }
  }

  /** What keeps a value that meets the facts from being valid for `wide`. */
  private covers(facts: Facts, wide: Node, path: string): Break[] {
    const key = `${facts.map(keyOf).sort().join(' ')} < ${keyOf(wide)}`;
    if (wide.schema === true || this.underWay.has(key)) return [];
    this.underWay.add(key);
    const breaks = [...kindsOf(facts).kinds].flatMap((kind) => this.coversKind(facts, kind, wide, path));
    this.underWay.delete(key);
    return breaks;
  }

  private coversKind(facts: Facts, kind: Kind, wide: Node, path: string, split: ReadonlySet<string> = new Set()): Break[] {
    return flatten(wide).flatMap((part) => this.implies(facts, kind, part, path, split));
  }

  /** One schema by its own keywords, for values of one kind. `split` names the alternatives that the facts have been split by. */
  private implies(facts: Facts, kind: Kind, part: Node, path: string, split: ReadonlySet<string>): Break[] {
    if (++this.steps > MAX_STEPS) throw new OutOfBudget();
    if (part.schema === true || facts.some((fact) => this.isSame(fact, part))) return [];
    const values = valuesOf(facts, kind, this.purse);
    if (values) {
      const refused = values.find((value) => !accept([part], value, this.purse));
      return refused === undefined ? [] : [this.break(path, part, `does not accept ${show(refused)}`)];
    }
    const breaks = this.direct(facts, kind, part, path, split);
    const choice = breaks.length > 0 ? this.choiceOf(facts, split) : undefined;
    if (!choice) return breaks;
    for (const branch of choice.branches) {
      const more = [...facts, ...branch];
      const found = kindsOf(more).kinds.has(kind) ? this.implies(more, kind, part, path, new Set([...split, choice.key])) : [];
      if (found.length > 0) return found;
    }
    return [];
  }

  /** Alternatives that the facts leave, of which at least one holds. */
  private choiceOf(facts: Facts, split: ReadonlySet<string>): { key: string; branches: Node[][] } | undefined {
    for (const fact of facts) {
      for (const name of ['anyOf', 'oneOf', 'if']) {
        const key = `${keyOf(fact)} ${name}`;
        const value = keyword(fact, name);
        if (value === undefined || split.has(key)) continue;
        const branches = name === 'if'
          ? [[...flatten(within(fact, 'if')), ...flatten(within(fact, 'then'))], flatten(within(fact, 'else'))]
          : (value as unknown[]).map((_, index) => flatten(within(fact, name, index)));
        return { key, branches };
      }
    }
    return undefined;
  }

  private direct(facts: Facts, kind: Kind, part: Node, path: string, split: ReadonlySet<string>): Break[] {
    const { schema } = part;
    if (schema === false) return [this.break(path, part, 'allows nothing here')];
    const { whole } = kindsOf(facts);
    const { kinds, whole: mustBeWhole } = kindsOf([part]);
    if (!kinds.has(kind)) return [this.break(path, part, `allows no ${kind} here`)];
    const say = (detail: string, name: string, at = path): Break => this.break(at, { ...part, pointer: pointerTo(part.pointer, name) }, detail);
    const breaks: Break[] = [];
    if (kind === 'number' && mustBeWhole && !whole) breaks.push(say('allows only whole numbers here', 'type'));
    for (const name of ['enum', 'const']) if (keyword(part, name) !== undefined) breaks.push(say(`allows only ${show(keyword(part, name))} here`, name));
    if (kind === 'number') breaks.push(...findNumberBreaks(facts, part, whole).map(([name, detail]) => say(detail, name)));
    if (kind === 'string') breaks.push(...findStringBreaks(facts, part).map(([name, detail]) => say(detail, name)));
    if (kind === 'array') breaks.push(...findArrayBreaks(facts, part).map(([name, detail]) => say(detail, name)), ...this.elements(facts, part, path, say));
    if (kind === 'object') breaks.push(...this.members(facts, part, path, say), ...this.dependents(facts, part, path, split, say));
    return [...breaks, ...this.logic(facts, kind, part, path, split, say)];
  }

  private elements(facts: Facts, part: Node, path: string, say: Say): Break[] {
    const longest = Math.max(prefixOf(part), ...facts.map(prefixOf));
    const most = Math.min(Infinity, ...facts.map((fact) => keyword<number>(fact, 'maxItems') ?? Infinity));
    const breaks: Break[] = [];
    // One beyond the longest list of schemas stands for all that follow.
    for (let index = 0; index <= longest && index < most; index++) {
      const wide = elementOf([part], index)[0];
      if (wide) breaks.push(...this.covers(elementOf(facts, index), wide, `${path}/${index < longest ? index : '*'}`));
    }
    const contains = within(part, 'contains');
    const [least, atMost] = [keyword<number>(part, 'minContains') ?? 1, keyword<number>(part, 'maxContains')];
    if (contains && (least > 0 || atMost !== undefined)) {
      const isKept = facts.some((fact) => {
        const known = within(fact, 'contains');
        if (!known || (keyword<number>(fact, 'minContains') ?? 1) < least) return false;
        if (atMost !== undefined) return this.isSame(known, contains) && (keyword<number>(fact, 'maxContains') ?? Infinity) <= atMost;
        return this.covers(flatten(known), contains, path).length === 0;
      });
      if (!isKept) breaks.push(say('wants elements that it names under `contains`', 'contains'));
    }
    if (!isOpen(part, 'unevaluatedItems')) breaks.push(say('closes with `unevaluatedItems`, which cannot be compared', 'unevaluatedItems'));
    return breaks;
  }

  private members(facts: Facts, part: Node, path: string, say: Say): Break[] {
    const required = requiredOf(facts);
    const names = namesOf([part]);
    const patterns = patternsOf(part);
    const breaks = (keyword<string[]>(part, 'required') ?? []).filter((name) => !required.has(name)).map((name) => say(`requires it, ${this.narrow} does not`, 'required', pointerTo(path, name)));
    for (const name of names) breaks.push(...this.member(facts, name, within(part, 'properties', name)!, pointerTo(path, name)));
    // The rest by classes of names: those the facts name, those they choose by a pattern, and all others.
    const known = namesOf(facts);
    const classes = facts.flatMap((fact) => patternsOf(fact).map((pattern) => ({ pattern, view: flatten(within(fact, 'patternProperties', pattern)) })));
    const others = facts.flatMap((fact) => flatten(within(fact, 'additionalProperties')));
    for (const pattern of patterns) {
      const wide = within(part, 'patternProperties', pattern)!;
      if (classes.some((each) => each.pattern === pattern && this.covers(each.view, wide, `${path}/*`).length === 0)) continue;
      for (const name of known.filter((name) => doesMatch(pattern, name))) breaks.push(...this.member(facts, name, wide, pointerTo(path, name)));
      for (const view of [...classes.map((each) => each.view), others]) breaks.push(...this.covers(view, wide, `${path}/*`));
    }
    const rest = within(part, 'additionalProperties');
    if (rest) {
      for (const name of known.filter((name) => !names.includes(name) && !patterns.some((pattern) => doesMatch(pattern, name)))) breaks.push(...this.member(facts, name, rest, pointerTo(path, name)));
      for (const { view } of classes.filter(({ pattern }) => !patterns.includes(pattern))) breaks.push(...this.covers(view, rest, `${path}/*`));
      const beyond = this.covers(others, rest, `${path}/*`);
      if (beyond.length > 0) breaks.push(rest.schema === false ? this.break(path, rest, `allows no properties beside those it names, ${this.narrow} does`) : beyond[0]!);
    }
    const shape = within(part, 'propertyNames');
    const isNamed = !shape || facts.some((fact) => within(fact, 'propertyNames') && this.covers(flatten(within(fact, 'propertyNames')), shape, path).length === 0) || closedNames(facts)?.every((name) => accept([shape], name, this.purse));
    if (!isNamed) breaks.push(say('wants names that it describes under `propertyNames`', 'propertyNames'));
    const least = Math.max(required.size, ...facts.map((fact) => keyword<number>(fact, 'minProperties') ?? 0));
    const most = Math.min(closedNames(facts)?.length ?? Infinity, ...facts.map((fact) => keyword<number>(fact, 'maxProperties') ?? Infinity));
    if ((keyword<number>(part, 'minProperties') ?? 0) > least) breaks.push(say(`wants at least ${keyword(part, 'minProperties') as number} properties`, 'minProperties'));
    if ((keyword<number>(part, 'maxProperties') ?? Infinity) < most) breaks.push(say(`allows at most ${keyword(part, 'maxProperties') as number} properties`, 'maxProperties'));
    if (!isOpen(part, 'unevaluatedProperties')) breaks.push(say('closes with `unevaluatedProperties`, which cannot be compared', 'unevaluatedProperties'));
    return breaks;
  }

  private member(facts: Facts, name: string, wide: Node, path: string): Break[] {
    const view = propertyOf(facts, name);
    const breaks = this.covers(view, wide, path);
    if (breaks.length === 0) return [];
    if (wide.schema === false) return [this.break(path, wide, `does not know it and allows no other properties, ${this.narrow} does`)];
    return view.length > 0 ? breaks : [this.break(path, wide, `says what it must be, ${this.narrow} takes anything there`)];
  }

  private dependents(facts: Facts, part: Node, path: string, split: ReadonlySet<string>, say: Say): Break[] {
    const breaks: Break[] = [];
    const required = requiredOf(facts);
    const mayBe = (name: string): boolean => kindsOf(propertyOf(facts, name)).kinds.size > 0;
    for (const [name, wanted] of Object.entries(keyword<Record<string, string[]>>(part, 'dependentRequired') ?? {})) {
      const given = new Set([...required, ...facts.flatMap((fact) => new Map(Object.entries(keyword<Record<string, string[]>>(fact, 'dependentRequired') ?? {})).get(name) ?? [])]);
      if (mayBe(name) && !wanted.every((each) => given.has(each))) breaks.push(say(`wants ${wanted.join(', ')} beside ${name}`, 'dependentRequired'));
    }
    for (const name of Object.keys(keyword<object>(part, 'dependentSchemas') ?? {})) {
      const more = [...facts, ...facts.flatMap((fact) => flatten(within(fact, 'dependentSchemas', name)))];
      if (mayBe(name)) breaks.push(...this.coversKind(more, 'object', within(part, 'dependentSchemas', name)!, path, split));
    }
    return breaks;
  }

  private logic(facts: Facts, kind: Kind, part: Node, path: string, split: ReadonlySet<string>, say: Say): Break[] {
    const breaks: Break[] = [];
    const branchesOf = (name: string): Node[] => (keyword<unknown[]>(part, name) ?? []).map((_, index) => within(part, name, index)!);
    const holds = (more: Facts, wide: Node | undefined): boolean => !wide || this.coversKind(more, kind, wide, path, split).length === 0;
    const any = branchesOf('anyOf');
    if (any.length > 0 && !any.some((branch) => holds(facts, branch))) breaks.push(...this.nearest(facts, kind, any, path, split, say('has none under `anyOf` that surely fits', 'anyOf')));
    const one = branchesOf('oneOf');
    if (one.length > 0 && !this.keepsOneOf(facts, part) && !one.some((branch) => holds(facts, branch) && one.every((other) => other === branch || this.areApart(facts, flatten(other), kind, MAX_APART)))) {
      breaks.push(...this.nearest(facts, kind, one, path, split, say('has none under `oneOf` that surely is the only one to fit', 'oneOf')));
    }
    const not = within(part, 'not');
    if (not && !this.areApart(facts, flatten(not), kind, MAX_APART) && !facts.some((fact) => within(fact, 'not') && this.covers(flatten(not), within(fact, 'not')!, path).length === 0)) {
      breaks.push(say('excludes by `not` what may be here', 'not'));
    }
    const condition = within(part, 'if');
    if (condition) {
      const same = facts.filter((fact) => within(fact, 'if') && this.isSame(within(fact, 'if')!, condition));
      const isKept = holds([...facts, ...flatten(condition), ...same.flatMap((fact) => flatten(within(fact, 'then')))], within(part, 'then'))
        && holds([...facts, ...same.flatMap((fact) => flatten(within(fact, 'else')))], within(part, 'else'));
      if (!isKept) breaks.push(say('has an `if` that cannot be compared', 'if'));
    }
    return breaks;
  }

  /** Of a single alternative for this kind of value, what it lacks; else only that none fits. */
  private nearest(facts: Facts, kind: Kind, branches: Node[], path: string, split: ReadonlySet<string>, otherwise: Break): Break[] {
    const possible = branches.filter((branch) => kindsOf(flatten(branch)).kinds.has(kind));
    const breaks = possible.length === 1 ? this.coversKind(facts, kind, possible[0]!, path, split) : [];
    if (possible.length === 0) return [{ ...otherwise, detail: `${this.wide} allows no ${kind} here` }];
    return breaks.length > 0 ? breaks : [otherwise];
  }

  private keepsOneOf(facts: Facts, part: Node): boolean {
    const wanted = keyword<unknown[]>(part, 'oneOf')!;
    return facts.some((fact) => keyword<unknown[]>(fact, 'oneOf')?.length === wanted.length && wanted.every((_, index) => this.isSame(within(fact, 'oneOf', index)!, within(part, 'oneOf', index)!)));
  }

  /** Whether no value of a kind meets both. */
  private areApart(facts: Facts, others: Facts, kind: Kind, depth: number): boolean {
    if (++this.steps > MAX_STEPS) throw new OutOfBudget();
    const both = [...facts, ...others];
    if (!kindsOf(both).kinds.has(kind) || valuesOf(both, kind, this.purse)?.length === 0) return true;
    if (kind !== 'object' || depth === 0) return false;
    return [...requiredOf(both)].some((name) => {
      const [mine, theirs] = [propertyOf(facts, name), propertyOf(others, name)];
      return [...kindsOf([...mine, ...theirs]).kinds].every((each) => this.areApart(mine, theirs, each, depth - 1));
    });
  }

  /** Whether two schemas say the same, with all that they refer to. */
  private isSame(a: Node, b: Node, assumed: ReadonlySet<string> = new Set()): boolean {
    const key = `${keyOf(a)} = ${keyOf(b)}`;
    if (assumed.has(key)) return true;
    if (this.textOf(a) !== this.textOf(b)) return false;
    const more = new Set([...assumed, key]);
    return [...refsIn(a)].every(([place, target]) => this.isSame(target, refsIn(b).get(place)!, more));
  }

  private textOf({ schema }: Node): string {
    if (typeof schema === 'boolean') return String(schema);
    let text = this.texts.get(schema);
    if (text === undefined) this.texts.set(schema, (text = canonical(schema)));
    return text;
  }

  private break(path: string, { pointer }: Node, detail: string): Break {
    return { path, pointer, detail: `${this.wide} ${detail}` };
  }
}

type Say = (detail: string, keyword: string, path?: string) => Break;

function keyOf({ side, pointer }: Node): string {
  return `${side.name}#${pointer}`;
}

/** What the refs in a schema lead to, by where they stand in it. */
function refsIn(node: Node): Map<string, Node> {
  const found = new Map<string, Node>();
  const look = (each: Node, at: string): void => {
    const target = targetOf(each);
    if (target) found.set(at, target);
    if (isObject(each.schema)) for (const child of childrenOf(each.schema, '')) look({ ...each, schema: child.schema }, at + child.pointer);
  };
  look(node, '');
  return found;
}

function isOpen(part: Node, name: string): boolean {
  const value = keyword(part, name);
  return value === undefined || value === true;
}

function firstOfEach(breaks: Break[]): Break[] {
  return [...new Map(breaks.toReversed().map((found) => [`${found.path} ${found.detail}`, found])).values()].toReversed();
}

function show(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > 120 ? `${text.slice(0, 120)}…` : text;
}
