import { isObject, pointerTo } from '../../platform/index.js';
import { type CompiledSchema, expressionOf, type Purse } from './compile.js';
import { pointerOfRef, type Schema, valueAt } from './walk.js';

/** A whole schema, and what to call it. */
export interface Side {
  name: string;
  root: Schema;
  compiled: CompiledSchema;
}

/** A schema at its place. */
export interface Node {
  side: Side;
  pointer: string;
  schema: Schema;
}

/** Schemas that all hold for the same value, each seen by its own keywords: what is known of that value. */
export type Facts = readonly Node[];

export type Kind = 'null' | 'boolean' | 'number' | 'string' | 'array' | 'object';
const KINDS: readonly Kind[] = ['null', 'boolean', 'number', 'string', 'array', 'object'];

/** A keyword of a node's own. */
export function keyword<T = unknown>({ schema }: Node, name: string): T | undefined {
  return typeof schema === 'object' && Object.hasOwn(schema, name) ? (schema[name] as T) : undefined;
}

/** The schema that stands further inside; undefined where there is none. */
export function within(node: Node, ...names: (string | number)[]): Node | undefined {
  const pointer = names.reduce<string>((path, name) => pointerTo(path, String(name)), '');
  const schema = valueAt(node.schema, pointer);
  return typeof schema === 'boolean' || isObject(schema) ? { side: node.side, pointer: node.pointer + pointer, schema } : undefined;
}

/** The node that a node refers to. */
export function targetOf(node: Node): Node | undefined {
  const ref = keyword<string>(node, '$ref');
  if (ref === undefined) return undefined;
  const pointer = pointerOfRef(ref)!;
  return { side: node.side, pointer, schema: valueAt(node.side.root, pointer) as Schema };
}

/** A node as facts: itself (if it does more than refer), what it refers to, and all of its `allOf`. */
export function flatten(node: Node | undefined): Node[] {
  if (!node) return [];
  if (typeof node.schema === 'object' && Object.keys(node.schema).join() === '$ref') return flatten(targetOf(node));
  const parts = keyword<unknown[]>(node, 'allOf') ?? [];
  return [node, ...flatten(targetOf(node)), ...parts.flatMap((_, index) => flatten(within(node, 'allOf', index)))];
}

/** The kinds of value that the types of some facts leave, and whether numbers must be whole. */
export function kindsOf(facts: Facts): { kinds: Set<Kind>; whole: boolean } {
  let kinds = [...KINDS];
  let whole = false;
  for (const fact of facts) {
    const given = keyword<string | string[]>(fact, 'type');
    if (fact.schema === false) kinds = [];
    if (given === undefined) continue;
    const types = Array.isArray(given) ? given : [given];
    whole ||= types.includes('integer') && !types.includes('number');
    kinds = kinds.filter((kind) => types.includes(kind) || (kind === 'number' && types.includes('integer')));
  }
  return { kinds: new Set(kinds), whole };
}

export function kindOf(value: unknown): Kind {
  return value === null ? 'null' : Array.isArray(value) ? 'array' : (typeof value as Kind);
}

/** Every value of a kind that meets the facts, where they list them; undefined where there may be any number. */
export function valuesOf(facts: Facts, kind: Kind, purse: Purse): unknown[] | undefined {
  for (const fact of facts) {
    const { schema } = fact;
    if (typeof schema === 'boolean') continue;
    const listed = Object.hasOwn(schema, 'const') ? [schema.const] : (keyword<unknown[]>(fact, 'enum'));
    if (listed) return listed.filter((value) => kindOf(value) === kind && accept(facts, value, purse));
  }
  if (kind === 'null') return [null].filter((value) => accept(facts, value, purse));
  return kind === 'boolean' ? [true, false].filter((value) => accept(facts, value, purse)) : undefined;
}

export function accept(facts: Facts, value: unknown, purse: Purse): boolean {
  return facts.every(({ side, pointer, schema }) => schema === true || (schema !== false && side.compiled.accepts(pointer, value, purse)));
}

/** What is known of a property, if it is there. */
export function propertyOf(facts: Facts, name: string): Node[] {
  return facts.flatMap((fact) => {
    const hits = patternsOf(fact).filter((pattern) => doesMatch(pattern, name)).map((pattern) => within(fact, 'patternProperties', pattern));
    if (Object.hasOwn(keyword<object>(fact, 'properties') ?? {}, name)) hits.push(within(fact, 'properties', name));
    return hits.length > 0 ? hits.flatMap(flatten) : flatten(within(fact, 'additionalProperties'));
  });
}

/** What is known of an element. */
export function elementOf(facts: Facts, index: number): Node[] {
  return facts.flatMap((fact) => flatten(index < prefixOf(fact) ? within(fact, 'prefixItems', index) : within(fact, 'items')));
}

/** How many elements have a schema of their own. */
export function prefixOf(fact: Node): number {
  return keyword<unknown[]>(fact, 'prefixItems')?.length ?? 0;
}

export function namesOf(facts: Facts): string[] {
  return [...new Set(facts.flatMap((fact) => Object.keys(keyword<object>(fact, 'properties') ?? {})))];
}

export function patternsOf(fact: Node): string[] {
  return Object.keys(keyword<object>(fact, 'patternProperties') ?? {});
}

export function requiredOf(facts: Facts): Set<string> {
  return new Set(facts.flatMap((fact) => keyword<string[]>(fact, 'required') ?? []));
}

/** All the names that an object may have, where the facts list them. */
export function closedNames(facts: Facts): string[] | undefined {
  const closed = facts.find((fact) => keyword(fact, 'additionalProperties') === false && patternsOf(fact).length === 0);
  return closed && namesOf([closed]);
}

const expressions = new Map<string, (text: string) => boolean>();

/** Whether a pattern of `patternProperties` chooses a name. */
export function doesMatch(pattern: string, name: string): boolean {
  let test = expressions.get(pattern);
  if (!test) {
    const read = expressionOf(pattern);
    test = 'test' in read ? (text) => read.test(text) : () => false;
    if (expressions.size >= 1_000) expressions.clear();
    expressions.set(pattern, test);
  }
  return test(name);
}
