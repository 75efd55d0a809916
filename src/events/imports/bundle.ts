import { isObject } from '../../platform/index.js';
import { FORMATS } from '../schemas/formats.js';
import { APPLICATORS, BY_NAME, pointerOfRef, valueAt } from '../schemas/walk.js';

type Json = Record<string, unknown>;

/** Of OpenAPI and AsyncAPI: they say nothing of what is valid. */
const DROPPED = new Set(['discriminator', 'xml', 'externalDocs', 'example', '$schema', '$id', 'additionalItems']);
const MAX_SCHEMAS = 1_000;

/** Why a schema cannot be taken out of its document. */
export class BundleFault extends Error {}

/**
 * A schema on its own: what it refers to in its document stands under its `$defs`. Lists of elements as drafts before 2020-12
 * write them are written anew, formats nobody checks are left out. Throws {@link BundleFault}.
 */
export function bundle(document: Json, schema: unknown): Json {
  const names = new Map<string, string>();
  const definitions: Json = {};
  const waiting: string[] = [];
  let left = MAX_SCHEMAS;

  const refTo = (ref: unknown): string => {
    const pointer = typeof ref === 'string' ? pointerOfRef(ref) : undefined;
    if (pointer === undefined) throw new BundleFault(`refers to ${JSON.stringify(ref)}, which is not in this document`);
    if (valueAt(document, pointer) === undefined) throw new BundleFault(`refers to ${String(ref)}, which is not there`);
    let name = names.get(pointer);
    if (name === undefined) {
      const stem = /[^/]*$/.exec(pointer)![0].replaceAll(/[^A-Za-z0-9_.-]/g, '_') || 'root';
      name = stem;
      for (let n = 2; [...names.values()].includes(name); n++) name = `${stem}_${n}`;
      names.set(pointer, name);
      waiting.push(pointer);
    }
    return `#/$defs/${name}`;
  };

  const copy = (part: unknown): unknown => {
    if (!isObject(part)) return part;
    if (--left < 0) throw new BundleFault(`is made of more than ${MAX_SCHEMAS} schemas`);
    const { items, additionalItems } = part;
    const tuple = Array.isArray(items) ? { prefixItems: items, ...(additionalItems !== undefined && { items: additionalItems }) } : { ...(items !== undefined && { items }) };
    const { items: _, ...others } = part;
    return Object.fromEntries(Object.entries({ ...others, ...tuple }).flatMap(([keyword, value]): [string, unknown][] => {
      if (DROPPED.has(keyword) || keyword.startsWith('x-') || keyword === '$defs' || keyword === 'definitions') return [];
      if (keyword === 'format' && typeof value === 'string' && !FORMATS.has(value)) return [];
      if (keyword === '$ref') return [[keyword, refTo(value)]];
      if (!APPLICATORS.has(keyword)) return [[keyword, value]];
      if (Array.isArray(value)) return [[keyword, value.map(copy)]];
      return [[keyword, BY_NAME.has(keyword) && isObject(value) ? Object.fromEntries(Object.entries(value).map(([name, each]) => [name, copy(each)])) : copy(value)]];
    }));
  };

  const root = copy(schema);
  for (let pointer = waiting.shift(); pointer !== undefined; pointer = waiting.shift()) definitions[names.get(pointer)!] = copy(valueAt(document, pointer));
  if (!isObject(root)) throw new BundleFault('is no schema that says anything');
  return { ...root, ...(names.size > 0 && { $defs: definitions }) };
}
