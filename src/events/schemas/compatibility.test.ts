import { expect, test } from 'vitest';
import { cpuMs } from '../../../test/support/cpu.js';
import { findIncompatibilities } from './compatibility.js';
import type { Schema } from './walk.js';

const object = (properties: Record<string, unknown>, more: Record<string, unknown> = {}): Record<string, unknown> => ({ type: 'object', properties, ...more });
const closed = (properties: Record<string, unknown>, more: Record<string, unknown> = {}): Record<string, unknown> => object(properties, { additionalProperties: false, ...more });
const S = { type: 'string' };
const N = { type: 'number' };
const card = closed({ kind: { const: 'card' }, number: S }, { required: ['kind'] });
const bank = closed({ kind: { const: 'bank' }, iban: S }, { required: ['kind'] });
const list = { $ref: '#/$defs/node', $defs: { node: { type: 'object', properties: { value: S, next: { $ref: '#/$defs/node' } } } } };

/** A condition. Written out, `then` would make a promise of it. */
const when = (condition: object, consequence: object): object => JSON.parse(`{"if":${JSON.stringify(condition)},"then":${JSON.stringify(consequence)}}`) as object;

/** Schemas that each have two ways to the next. */
const knot = (leaf: object): Schema => ({ $ref: '#/$defs/d0', $defs: { ...Object.fromEntries(Array.from({ length: 30 }, (_, n) => [`d${n}`, { anyOf: [object({ a: { $ref: `#/$defs/d${n + 1}` } }), object({ b: { $ref: `#/$defs/d${n + 1}` } })] }])), d30: leaf } });

const directions = (older: Schema, newer: Schema, compatibility: 'backward' | 'forward' | 'full' | 'none'): string[] => findIncompatibilities(older, newer, compatibility).map(({ direction }) => direction);

/** What `newer` refuses of what `older` accepts, as `path: detail`. */
const breaks = (older: Schema, newer: Schema): string[] => findIncompatibilities(older, newer, 'backward', 'version 1').map(({ path, detail }) => `${path}: ${detail.replace('the new schema ', '')}`);

const COMPATIBLE: [what: string, older: Schema, newer: Schema][] = [
  ['the same', object({ a: S }, { required: ['a'] }), object({ a: S }, { required: ['a'] })],
  ['an optional property beside a closed object', closed({ a: S }), closed({ a: S, b: N })],
  ['a property that nobody requires any more', object({ a: S }, { required: ['a', 'b'] }), object({ a: S }, { required: ['b'] })],
  ['a property without a rule any more', object({ a: S, b: S }), object({ a: S })],
  ['a wider type', object({ a: { type: 'integer' } }), object({ a: N })], ['null allowed', object({ a: S }), object({ a: { type: ['string', 'null'] } })],
  ['a larger enum', object({ a: { enum: ['x', 'y'] } }), object({ a: { enum: ['x', 'y', 'z'] } })], ['an enum become a type', object({ a: { enum: ['x', 'y'] } }), object({ a: S })], ['an enum within a pattern', object({ a: { enum: ['x1', 'x2'] } }), object({ a: { type: 'string', pattern: '^x' } })],
  ['looser bounds', object({ a: { type: 'number', minimum: 5, maximum: 9 } }), object({ a: { type: 'number', exclusiveMinimum: 4, maximum: 10 } })], ['bounds of whole numbers', object({ a: { type: 'integer', exclusiveMinimum: 4 } }), object({ a: { type: 'integer', minimum: 5 } })],
  ['a factor of the factor', object({ a: { type: 'integer', multipleOf: 6 } }), object({ a: { type: 'integer', multipleOf: 3 } })], ['whole numbers by halves', { type: 'integer' }, { type: 'number', multipleOf: 0.5 }],
  ['lengths', { type: 'string', minLength: 2, maxLength: 3 }, { type: 'string', minLength: 1, maxLength: 4 }], ['a format and a pattern left out', { type: 'string', format: 'uuid', pattern: '^a' }, S],
  ['elements', { type: 'array', items: { type: 'integer' }, maxItems: 3 }, { type: 'array', items: N, maxItems: 4 }], ['a tuple that becomes a list', { type: 'array', prefixItems: [{ const: 'a' }, S], items: false }, { type: 'array', items: S }],
  ['at most one is unique', { type: 'array', maxItems: 1 }, { type: 'array', uniqueItems: true }], ['the same contained', { type: 'array', contains: { const: 1 }, minContains: 2 }, { type: 'array', contains: N }],
  ['a closed object opened', closed({ a: S }), object({ a: S })], ['others of a narrower kind', object({}, { additionalProperties: { type: 'integer' } }), object({}, { additionalProperties: N })], ['a named one among others', object({}, { additionalProperties: S }), object({ a: S }, { additionalProperties: S })],
  ['names by pattern', object({}, { patternProperties: { '^x-': S }, additionalProperties: false }), object({}, { patternProperties: { '^x-': { type: ['string', 'null'] } }, additionalProperties: false })],
  ['fewer names', closed({ a: S, b: S }), object({}, { maxProperties: 2 })], ['enough required', object({}, { required: ['a', 'b'] }), object({}, { minProperties: 2 })],
  ['through refs', object({ a: { $ref: '#/$defs/s' } }, { $defs: { s: S } }), object({ a: { $ref: '#/$defs/t' } }, { $defs: { t: { $ref: '#/$defs/u' }, u: S } })],
  ['a list that goes on', list, { ...list, $defs: { node: { ...list.$defs.node, properties: { ...list.$defs.node.properties, value: { type: ['string', 'number'] } } } } }],
  ['one more alternative', object({ a: { anyOf: [S, N] } }), object({ a: { anyOf: [N, { type: 'null' }, S] } })], ['types become alternatives', object({ a: { type: ['string', 'number'] } }), object({ a: { oneOf: [S, N] } })], ['alternatives become types', object({ a: { anyOf: [S, N] } }), object({ a: { type: ['string', 'number', 'null'] } })],
  ['alternatives told apart by a constant', { oneOf: [card] }, { oneOf: [bank, card] }], ['the same alternatives', object({ a: { oneOf: [S, { minLength: 3 }] } }), object({ a: { oneOf: [S, { minLength: 3 }] }, b: true })],
  ['parts put together', { allOf: [object({ a: S }), { required: ['a'] }] }, object({ a: S }, { required: ['a'] })], ['the same condition', { type: 'object', ...when({ required: ['a'] }, { required: ['b'] }) }, { type: 'object', ...when({ required: ['a'] }, { required: ['b'] }), title: 'x' }],
  ['something else excluded', { type: 'string' }, { not: { type: 'null' } }], ['less excluded', { not: { type: ['string', 'null'] } }, { not: { type: 'null' } }], ['what goes with it', object({}, { dependentRequired: { a: ['b', 'c'] } }), object({}, { dependentRequired: { a: ['b'] } })],
  ['nothing is within anything', false, object({}, { required: ['a'] })], ['anything is within anything', true, {}], ['names of the prototype', closed({ constructor: S, toString: N }), closed({ constructor: S, toString: N, valueOf: S })],
];

test.each(COMPATIBLE)('compatible: %s', (_, older, newer) => {
  expect(breaks(older, newer)).toEqual([]);
});

const BREAKING: [what: string, older: Schema, newer: Schema, ...breaks: string[]][] = [
  ['one more is required', object({ a: S }), object({ a: S }, { required: ['a', 'b'] }), '/a: requires it, version 1 does not', '/b: requires it, version 1 does not'],
  ['a property removed from a closed object', closed({ a: S, b: S }), closed({ a: S }), '/b: does not know it and allows no other properties, version 1 does'],
  ['a property added to an open object', object({ a: S }), object({ a: S, b: S }), '/b: says what it must be, version 1 takes anything there'],
  ['an object closed', object({ a: S }), closed({ a: S }), ': allows no properties beside those it names, version 1 does'],
  ['a narrower type', object({ a: N }), object({ a: { type: 'integer' } }), '/a: allows only whole numbers here'], ['another type', object({ a: N }), object({ a: S }), '/a: allows no number here'], ['null taken away', object({ a: { type: ['string', 'null'] } }), object({ a: S }), '/a: does not accept null'],
  ['a smaller enum', object({ a: { enum: ['x', 'y'] } }), object({ a: { enum: ['x'] } }), '/a: does not accept "y"'], ['a type become an enum', object({ a: S }), object({ a: { enum: ['x'] } }), '/a: allows only ["x"] here'],
  ['tighter bounds', object({ a: { type: 'number', minimum: 0 } }), object({ a: { type: 'number', exclusiveMinimum: 0, maximum: 5 } }), '/a: wants more than 0', '/a: wants at most 5'],
  ['another factor', { type: 'integer', multipleOf: 4 }, { type: 'integer', multipleOf: 8 }, ': wants a multiple of 8'], ['lengths', S, { type: 'string', minLength: 1, maxLength: 9 }, ': wants at least 1 characters', ': wants at most 9 characters'],
  ['another pattern', { type: 'string', pattern: 'a' }, { type: 'string', pattern: 'b' }, ': wants the pattern b'], ['a format', S, { type: 'string', format: 'email' }, ': wants the format email'],
  ['deep in a list', object({ lines: { type: 'array', items: object({ sku: N }) } }), object({ lines: { type: 'array', items: object({ sku: S }) } }), '/lines/*/sku: allows no number here'], ['in a tuple', { type: 'array', prefixItems: [S, S] }, { type: 'array', prefixItems: [S, N] }, '/1: allows no string here'],
  ['through a circle of refs', list, { ...list, $defs: { node: { ...list.$defs.node, properties: { ...list.$defs.node.properties, value: N } } } }, '/value: allows no string here', '/next/value: allows no string here'],
  ['an alternative taken away', object({ a: { anyOf: [S, N] } }), object({ a: { anyOf: [S] } }), '/a: allows no number here'], ['alternatives that may both fit', { type: 'object' }, { oneOf: [{ type: 'object' }, object({ a: S })] }, ': has none under `oneOf` that surely is the only one to fit'],
  ['a condition', { type: 'object' }, { type: 'object', ...when({ required: ['a'] }, { required: ['b'] }) }, ': has an `if` that cannot be compared'], ['excluded', S, { type: 'string', not: { const: 'x' } }, ': excludes by `not` what may be here'],
  ['unevaluated', object({ a: S }), object({ a: S }, { unevaluatedProperties: false }), ': closes with `unevaluatedProperties`, which cannot be compared'], ['nothing left', object({ a: S }), object({ a: false }), '/a: does not know it and allows no other properties, version 1 does'],
  ['a name with a slash', object({ 'a/b': N }), object({ 'a/b': S }), '/a~1b: allows no number here'], ['unique', { type: 'array' }, { type: 'array', uniqueItems: true }, ': wants no element twice'], ['names', { type: 'object' }, { type: 'object', propertyNames: { pattern: '^a' } }, ': wants names that it describes under `propertyNames`'],
];

test.each(BREAKING)('breaking: %s', (_, older, newer, ...expected) => {
  expect(breaks(older, newer)).toEqual(expected);
});

test('forward asks the other way round, full both ways, none nothing', () => {
  const [narrow, wide] = [closed({ a: S }), closed({ a: S, b: S })];
  expect([directions(narrow, wide, 'backward'), directions(narrow, wide, 'forward'), directions(narrow, wide, 'full'), directions(wide, narrow, 'full'), directions(wide, narrow, 'forward')]).toEqual([[], ['forward'], ['forward'], ['backward'], []]);
  expect(directions({ type: 'null' }, { type: 'string' }, 'none')).toEqual([]);
  expect(findIncompatibilities(object({ a: N }), object({ a: S }), 'full').map(({ pointer }) => pointer)).toEqual(['/properties/a', '']);
});

/** What the schemas of a comparison that was given up on are said to be, and how soon. */
const expectGivenUp = (older: Schema, newer: Schema): void => {
  const started = cpuMs();
  expect(breaks(older, newer)).toEqual([': the schemas are too complex to be compared in time']);
  expect(cpuMs() - started).toBeLessThan(5_000);
};
const listing = (count: number, ...more: unknown[]): unknown[] => [...Array.from({ length: count }, (_, n) => n.toString(36)), ...more];
const referring = (times: number, e: object): Schema => object(Object.fromEntries(Array.from({ length: times }, (_, n) => [`p${n}`, { $ref: '#/$defs/e' }])), { $defs: { e } });

test('trying out values is given up on as well: 9,000 that 25 properties refer to, or a few against a schema that never ends', () => {
  expectGivenUp(referring(25, { enum: listing(9_000) }), referring(25, { enum: listing(9_000, 'new') }));
  const endless = Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`d${n}`, { anyOf: [{ $ref: `#/$defs/d${n + 1}` }, { $ref: `#/$defs/d${n + 1}` }] }]));
  expectGivenUp({ enum: listing(9) }, { $ref: '#/$defs/d0', $defs: { ...endless, d40: N } });
});

test('enums that many properties refer to can grow, and large ones can stay', () => {
  expect(breaks(referring(60, { enum: listing(250) }), referring(60, { enum: listing(250, 'new') }))).toEqual([]);
  expect(breaks(referring(250, { enum: listing(9_000) }), referring(251, { enum: listing(9_000) }))).toEqual(['/p250: says what it must be, version 1 takes anything there']);
});

test('schemas made to keep a comparison busy are given up on, and said to be too complex', () => {
  const started = cpuMs();
  expect(breaks(knot(S), knot(N))).not.toEqual([]);
  expect(cpuMs() - started).toBeLessThan(5_000);
});
