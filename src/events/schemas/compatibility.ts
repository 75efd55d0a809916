import { type Break, Cover } from './cover.js';
import { compileSchema } from './compile.js';
import type { Side } from './facts.js';
import type { Schema } from './walk.js';

export const COMPATIBILITIES = ['backward', 'forward', 'full', 'none'] as const;

/**
 * What a new version of a schema keeps: `backward`, it accepts all that the old one accepts (who reads by the new one can read
 * what is stored); `forward`, the old one accepts all that it accepts (who reads by the old one can go on); `full`, both.
 */
export type Compatibility = (typeof COMPATIBILITIES)[number];

/** A place at which a new version does not keep what it should. */
export interface Incompatibility {
  direction: 'backward' | 'forward';
  /** Into the data, `*` for any element or name. */
  path: string;
  /** Where the new schema says so; its root where it is the old one that does. */
  pointer: string;
  detail: string;
}

/**
 * Compares two schemas that `findSchemaFaults` has let pass. Sound, not complete: none means that it is proven; where one cannot
 * be proven (some uses of `not`, `oneOf`, `if`, `unevaluated…`), that is said of its place.
 */
export function findIncompatibilities(older: Schema, newer: Schema, compatibility: Compatibility, nameOfOlder = 'the old one'): Incompatibility[] {
  if (compatibility === 'none') return [];
  const before: Side = { name: nameOfOlder, root: older, compiled: compileSchema(older) };
  const after: Side = { name: 'the new schema', root: newer, compiled: compileSchema(newer) };
  const backward = compatibility === 'forward' ? [] : breaksOf(before, after).map((found) => ({ direction: 'backward' as const, ...found }));
  const forward = compatibility === 'backward' ? [] : breaksOf(after, before).map((found) => ({ direction: 'forward' as const, ...found, pointer: '' }));
  return [...backward, ...forward];
}

function breaksOf(narrow: Side, wide: Side): Break[] {
  return new Cover(narrow.name, wide.name).find({ side: narrow, pointer: '', schema: narrow.root }, { side: wide, pointer: '', schema: wide.root });
}
