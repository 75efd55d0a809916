import { isObject, pointerTo } from '../../platform/index.js';

/** A JSON Schema, 2020-12. `true` allows everything, `false` nothing. */
export type Schema = boolean | Record<string, unknown>;

/** Keywords that hold one schema, a list of them, or one per name. */
const SINGLES = ['not', 'if', 'then', 'else', 'items', 'contains', 'additionalProperties', 'propertyNames', 'unevaluatedItems', 'unevaluatedProperties'];
const LISTS = ['allOf', 'anyOf', 'oneOf', 'prefixItems'];
const MAPS = ['properties', 'patternProperties', '$defs', 'definitions', 'dependentSchemas'];

/** Those that look at the same value as the schema they stand in. */
const IN_PLACE = new Set(['allOf', 'anyOf', 'oneOf', 'not', 'if', 'then', 'else', 'dependentSchemas']);

/** Keywords under which schemas stand by name. */
export const BY_NAME: ReadonlySet<string> = new Set(MAPS);

export const APPLICATORS: ReadonlySet<string> = new Set([...SINGLES, ...LISTS, ...MAPS]);

/** A schema inside another: where, under which keyword, and whether it looks at the same value. */
export interface Child {
  pointer: string;
  schema: Schema;
  inPlace: boolean;
}

/** The schemas directly inside one that stands at `pointer`. What is no schema is left out. */
export function childrenOf(schema: Record<string, unknown>, pointer: string): Child[] {
  const children: Child[] = [];
  const add = (value: unknown, at: string, keyword: string): void => {
    if (typeof value === 'boolean' || isObject(value)) children.push({ pointer: at, schema: value, inPlace: IN_PLACE.has(keyword) });
  };
  for (const keyword of SINGLES) if (Object.hasOwn(schema, keyword)) add(schema[keyword], pointerTo(pointer, keyword), keyword);
  for (const keyword of LISTS) {
    const list = Object.hasOwn(schema, keyword) ? schema[keyword] : undefined;
    if (Array.isArray(list)) for (const [index, value] of list.entries()) add(value, `${pointer}/${keyword}/${index}`, keyword);
  }
  for (const keyword of MAPS) {
    const map = Object.hasOwn(schema, keyword) ? schema[keyword] : undefined;
    if (isObject(map)) for (const [name, value] of Object.entries(map)) add(value, pointerTo(`${pointer}/${keyword}`, name), keyword);
  }
  return children;
}

/** The JSON pointer that a `$ref` into its own document leads to, or undefined when it leads elsewhere. */
export function pointerOfRef(ref: string): string | undefined {
  if (ref !== '#' && !ref.startsWith('#/')) return undefined;
  try {
    // Through the parts, so that each spelling of a place is one pointer.
    return ref.split('/').slice(1).reduce((pointer, part) => pointerTo(pointer, nameOf(decodeURIComponent(part))), '');
  } catch {
    return undefined;
  }
}

/** What a pointer leads to; undefined when there is nothing. */
export function valueAt(root: unknown, pointer: string): unknown {
  let value = root;
  for (const part of pointer.split('/').slice(1)) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, nameOf(part))) return undefined;
    value = (value as Record<string, unknown>)[nameOf(part)];
  }
  return value;
}

function nameOf(part: string): string {
  return part.replaceAll('~1', '/').replaceAll('~0', '~');
}
