import { expect, test } from 'vitest';
import { cpuMs } from '../../../test/support/cpu.js';
import type { Filter } from './filter.js';
import type { Subject } from './path.js';
import { readFilter } from './read-filter.js';

const DATA = {
  amount: 120.5, count: 0, name: 'Compute Engine', env: 'prod', on: true, off: false, none: null, day: '2026-03-01T00:00:00Z', big: 2 ** 53, text: '5',
  tags: ['red', 'blue'], matrix: [[1, 2], [3]], empty: [], lines: [{ sku: 'a', qty: 1 }, { sku: 'b', qty: 9, deep: [{ x: 1 }] }, 'odd', null],
  account: { id: '42', owner: { team: 'core' } }, 'dotted.name': { 'a\\b': 1 }, $cash: 7, '0': 'zero', constructor: 'own',
};
const SUBJECT = { event_type: 'cost.report', data: DATA, metadata: { env: 'prod', region: 'eu' } };
const ready = (filter: unknown): Filter => {
  const read = readFilter(filter);
  if (Array.isArray(read)) throw new Error(JSON.stringify(read));
  return read;
};
const passes = (filter: unknown, subject: Subject = SUBJECT): boolean => ready(filter).passes(subject);

test.each<[filter: object, passing: boolean]>([
  // A bare value means $eq; every member must hold.
  [{ 'data.env': 'prod' }, true], [{ 'data.env': 'Prod' }, false], [{ 'data.env': 'prod', 'data.on': false }, false], [{ 'metadata.region': 'eu', 'data.amount': 120.5 }, true],
  [{ event_type: 'cost.report' }, true], [{ event_type: { $prefix: 'cost.' } }, true], [{ event_type: { $regex: '^budget' } }, false],
  // Nested objects are paths too, dotted or not, and operators may stand beside names.
  [{ data: { account: { 'owner.team': 'core' } } }, true], [{ 'data.account': { id: '42', 'owner.team': 'edge' } }, false], [{ 'data.account': { $exists: true, id: '42' } }, true],
  [{ data: { amount: { $gte: 100, $lt: 200 } } }, true], [{ data: { amount: { $gte: 100, $lt: 120 } } }, false],
  // Numbers compare as numbers, strings as strings, and types never mix.
  [{ 'data.amount': { $gt: 120.5 } }, false], [{ 'data.amount': { $gte: 120.5 } }, true], [{ 'data.amount': { $lte: 120.5 } }, true], [{ 'data.amount': { $lt: 120.5 } }, false],
  [{ 'data.text': 5 }, false], [{ 'data.text': { $lt: 6 } }, false], [{ 'data.amount': { $gt: '1' } }, false], [{ 'data.count': false }, false], [{ 'data.off': 0 }, false], [{ 'data.none': false }, false], [{ 'data.on': { $gt: 0 } }, false],
  [{ 'data.day': { $gte: '2026-02-28T23:59:59Z', $lt: '2026-04-01T00:00:00Z' } }, true], [{ 'data.day': { $lt: '2026-03-01T00:00:00Z' } }, false],
  [{ 'data.big': { $gt: 1e15 } }, true], [{ 'data.big': { $gte: 1e20 } }, false], [{ 'data.big': 9007199254740991 }, false],
  // Null is a value; nothing is not.
  [{ 'data.none': null }, true], [{ 'data.missing': null }, false], [{ 'data.none': { $exists: true } }, true], [{ 'data.missing': { $exists: false } }, true], [{ 'data.missing': { $exists: true } }, false],
  [{ 'data.amount': { $exists: false } }, false], [{ 'data.empty': { $exists: true } }, true],
  // What is not there fails every comparison, and so passes every negated one.
  [{ 'data.missing': { $gt: 0 } }, false], [{ 'data.missing': { $ne: 1 } }, true], [{ 'data.missing': { $nin: [1] } }, true], [{ 'data.account.id.deeper': 1 }, false], [{ 'data.none.x': 1 }, false],
  [{ 'data.env': { $ne: 'prod' } }, false], [{ 'data.env': { $ne: 'test' } }, true], [{ 'data.text': { $ne: 5 } }, true],
  [{ 'data.env': { $in: ['test', 'prod'] } }, true], [{ 'data.env': { $in: ['test', 5, null, true] } }, false], [{ 'data.env': { $nin: ['test'] } }, true], [{ 'data.env': { $nin: ['prod'] } }, false], [{ 'data.none': { $in: [1, null] } }, true],
  [{ 'data.name': { $prefix: 'Compute' } }, true], [{ 'data.name': { $prefix: 'compute' } }, false], [{ 'data.amount': { $prefix: '1' } }, false], [{ 'data.name': { $prefix: '' } }, true],
  [{ 'data.name': { $regex: 'Eng' } }, true], [{ 'data.name': { $regex: '^Eng' } }, false], [{ 'data.name': { $regex: '(?i)^compute\\s\\w+$' } }, true], [{ 'data.amount': { $regex: '1' } }, false],
  // Of an array one element is enough, unless negated: then none may.
  [{ 'data.tags': 'red' }, true], [{ 'data.tags': 'green' }, false], [{ 'data.tags': { $ne: 'red' } }, false], [{ 'data.tags': { $ne: 'green' } }, true], [{ 'data.tags': { $prefix: 'bl' } }, true], [{ 'data.empty': { $ne: 'x' } }, true], [{ 'data.empty': 'x' }, false],
  [{ 'data.tags.1': 'blue' }, true], [{ 'data.tags.0': 'blue' }, false], [{ 'data.tags.2': { $exists: true } }, false], [{ 'data.tags.length': { $exists: true } }, false],
  [{ 'data.lines.sku': 'b' }, true], [{ 'data.lines.qty': { $gt: 5 } }, true], [{ 'data.lines.qty': { $gt: 9 } }, false], [{ 'data.lines.0.qty': 9 }, false], [{ 'data.lines.deep.x': 1 }, true], [{ 'data.lines.sku': { $nin: ['a'] } }, false],
  [{ 'data.matrix.0.1': 2 }, true], [{ 'data.matrix.0': 2 }, true], [{ 'data.matrix': 2 }, false],
  // Two comparisons on an array need not be met by the same element.
  [{ 'data.lines': { sku: 'a', qty: 9 } }, true],
  // Names that hold dots, dollars, digits, or look like the language's own.
  [{ 'data.dotted\\.name.a\\\\b': 1 }, true], [{ data: { 'dotted\\.name': { $exists: true } } }, true], [{ 'data.$cash': 7 }, true], [{ data: { '\\$cash': 7 } }, true], [{ 'data.0': 'zero' }, true],
  [{ 'data.constructor': 'own' }, true], [{ 'metadata.constructor': { $exists: true } }, false], [{ 'data.toString': { $exists: true } }, false], [{ 'data.__proto__.toString': { $exists: true } }, false], [{ 'data.env.length': 4 }, false],
  [{ $and: [{ 'data.env': 'prod' }, { 'data.on': true }] }, true], [{ $and: [{ 'data.env': 'prod' }, { 'data.on': false }] }, false], [{ $or: [{ 'data.env': 'x' }, { 'data.on': true }] }, true], [{ $or: [{ 'data.env': 'x' }, { 'data.on': false }] }, false],
  [{ $not: { 'data.env': 'prod' } }, false], [{ $not: { 'data.env': 'prod', 'data.on': false } }, true], [{ $not: { $not: { 'data.env': 'prod' } } }, true],
  // They work below a path as well, on conditions and on bare values.
  [{ 'data.amount': { $or: [{ $lt: 5 }, { $gt: 100 }] } }, true], [{ 'data.env': { $or: ['test', 'prod'] } }, true], [{ 'data.env': { $not: 'prod' } }, false], [{ data: { $or: [{ env: 'x' }, { 'account.id': '42' }] } }, true], [{ 'data.tags': { $and: ['red', 'blue'] } }, true], [{ 'data.tags': { $not: { $regex: 'e$' } } }, false],
])('%j passes: %s', (filter, passing) => {
  expect(passes(filter)).toBe(passing);
  expect(ready(filter).explain(SUBJECT) === undefined).toBe(passing);
});

test.each<[filter: object, pointer: string, detail: string]>([
  [{ 'data.amount': { $gte: 200 } }, '/data.amount/$gte', 'data.amount is 120.5, not at least 200'],
  [{ 'data.env': 'test' }, '/data.env', 'data.env is "prod", not "test"'],
  [{ 'data.env': 'prod', 'data.account': { id: { $in: ['1', '2'] } } }, '/data.account/id/$in', 'data.account.id is "42", not one of ["1","2"]'],
  [{ 'data.env': { $ne: 'prod' } }, '/data.env/$ne', 'data.env is "prod", and must not be "prod"'],
  [{ 'data.missing': { $exists: true } }, '/data.missing/$exists', 'data.missing is not there'],
  [{ 'data.env': { $exists: false } }, '/data.env/$exists', 'data.env is "prod", and must not be there'],
  [{ 'data.missing': { $regex: 'x' } }, '/data.missing/$regex', 'data.missing is not there, not a string that matches "x"'],
  [{ 'data.lines.qty': { $gt: 9 } }, '/data.lines.qty/$gt', 'data.lines.qty is 1 and 9, not greater than 9'],
  [{ $or: [{ 'data.env': 'a' }, { 'data.amount': { $lt: 1 } }] }, '/$or', 'none of its 2 parts holds: data.env is "prod", not "a"; data.amount is 120.5, not less than 1'],
  [{ 'data.amount': { $or: [1, 2, 3, 4] } }, '/data.amount/$or', 'none of its 4 parts holds: data.amount is 120.5, not 1; data.amount is 120.5, not 2; data.amount is 120.5, not 3; more'],
  [{ $and: [{ 'data.env': 'prod' }, { 'data.on': false }] }, '/$and/1/data.on', 'data.on is true, not false'],
  [{ $not: { 'data.env': 'prod' } }, '/$not', 'what it negates holds: data.env is "prod"'],
  [{ $not: { $or: [{ 'data.env': 'x' }, { 'data.on': true }] } }, '/$not', 'what it negates holds: data.on is true'],
  [{ $not: { $not: { 'data.env': 'x' } } }, '/$not', 'what it negates holds: data.env is "prod", not "x"'],
  [{ 'data.a/b~c': 1 }, '/data.a~1b~0c', 'data.a/b~c is not there, not 1'],
  [{ data: { 'dotted\\.name': 1 } }, '/data/dotted\\.name', 'data.dotted\\.name is {"a\\\\b":1}, not 1'],
])('%j refuses at %s', (filter, pointer, detail) => {
  expect(ready(filter).explain(SUBJECT)).toEqual({ pointer, detail });
});

test('a long value is cut in the explanation', () => {
  expect(ready({ 'data.x': 1 }).explain({ ...SUBJECT, data: { x: 'y'.repeat(5_000) } })!.detail.length).toBeLessThan(200);
});

test.each<[filter: unknown, ...pointers: string[]]>([
  [null, '/filter'], [[], '/filter'], ['x', '/filter'], [5, '/filter'], [{}, '/filter'], [{ 'data.a': {} }, '/filter/data.a'],
  [{ 'data.a': { $gtx: 1 } }, '/filter/data.a/$gtx'], [{ $where: 'x' }, '/filter/$where'], [{ 'data.a': { $toString: 1 } }, '/filter/data.a/$toString'], [{ $eq: 1 }, '/filter/$eq'], [{ $and: [{ $gt: 1 }] }, '/filter/$and/0/$gt'],
  [{ '': 1 }, '/filter/'], [{ 'data.': 1 }, '/filter/data.'], [{ 'data..a': 1 }, '/filter/data..a'], [{ '.data': 1 }, '/filter/.data'], [{ data: { '': 1 } }, '/filter/data/'],
  [{ amount: 1 }, '/filter/amount'], [{ 'payload.a': 1 }, '/filter/payload.a'], [{ 'event_type.x': 1 }, '/filter/event_type.x'], [{ constructor: 1 }, '/filter/constructor'], [JSON.parse('{"__proto__": {"x": 1}}'), '/filter/__proto__'],
  [{ $and: {} }, '/filter/$and'], [{ $or: [] }, '/filter/$or'], [{ $or: [1] }, '/filter/$or/0'], [{ $or: [{}] }, '/filter/$or/0'], [{ $not: [] }, '/filter/$not'], [{ $not: 'x' }, '/filter/$not'], [{ $and: [{ 'data.a': 1 }, null] }, '/filter/$and/1'],
  [{ 'data.a': [1, 2] }, '/filter/data.a'], [{ 'data.a': { $eq: { b: 1 } } }, '/filter/data.a/$eq'], [{ 'data.a': { $ne: [] } }, '/filter/data.a/$ne'],
  [{ 'data.a': { $gt: null } }, '/filter/data.a/$gt'], [{ 'data.a': { $lt: true } }, '/filter/data.a/$lt'], [{ 'data.a': { $gte: [1] } }, '/filter/data.a/$gte'], [{ 'data.a': { $lte: { x: 1 } } }, '/filter/data.a/$lte'],
  [{ 'data.a': { $in: 'x' } }, '/filter/data.a/$in'], [{ 'data.a': { $in: [] } }, '/filter/data.a/$in'], [{ 'data.a': { $in: [1, {}] } }, '/filter/data.a/$in/1'], [{ 'data.a': { $nin: [[1]] } }, '/filter/data.a/$nin/0'], [{ 'data.a': { $in: Array.from({ length: 101 }, (_, n) => n) } }, '/filter/data.a/$in'],
  [{ 'data.a': { $exists: 1 } }, '/filter/data.a/$exists'], [{ 'data.a': { $prefix: 5 } }, '/filter/data.a/$prefix'], [{ 'data.a': { $regex: 5 } }, '/filter/data.a/$regex'], [{ 'data.a': { $regex: 'x'.repeat(257) } }, '/filter/data.a/$regex'],
  [{ 'data.a': { $regex: '(' } }, '/filter/data.a/$regex'], [{ 'data.a': { $regex: '(?=x)' } }, '/filter/data.a/$regex'], [{ 'data.a': { $regex: '(a)\\1' } }, '/filter/data.a/$regex'], [{ 'data.a': { $regex: 'a{1000}' } }, '/filter/data.a/$regex'], [{ 'data.a': { $regex: '((a{30}){30}){30}' } }, '/filter/data.a/$regex'],
  [{ 'data.a': 2 ** 53 }, '/filter/data.a'], [{ 'data.a': { $in: [1, -(2 ** 60)] } }, '/filter/data.a/$in/1'], [JSON.parse('{"data.a": {"$gt": 1e999}}'), '/filter/data.a/$gt'], [JSON.parse('{"data.a": 1e999}'), '/filter/data.a'],
  // Every fault at once.
  [{ 'data.a': { $gt: null, $huh: 1 }, other: 1, $or: [] }, '/filter/data.a/$gt', '/filter/data.a/$huh', '/filter/other', '/filter/$or'],
])('%j is refused at %s', (filter, ...pointers) => {
  const faults = readFilter(filter);
  expect(Array.isArray(faults) ? faults.map(({ pointer }) => pointer) : faults).toEqual(pointers);
});

test('a bad expression is refused with the reason, and one too large with its size', () => {
  expect(readFilter({ 'data.a': { $regex: 'a(b' } })).toEqual([{ pointer: '/filter/data.a/$regex', detail: 'is not an RE2 expression: missing closing ): `a(b`' }]);
  const costly = { 'data.a': { $regex: '(|a){1000}'.repeat(25) } };
  expect(readFilter({ $or: Array.from({ length: 10 }, () => costly) })).toEqual([{ pointer: '/filter/$or/0/data.a/$regex', detail: expect.stringContaining('too complex') }]);
  expect(readFilter({ 'data.a': { $regex: 'x{900}' } })).toEqual([{ pointer: '/filter/data.a/$regex', detail: expect.stringContaining('too complex') }]);
});

const nested = (levels: number): unknown => (levels === 0 ? { 'data.a': 1 } : { $not: nested(levels - 1) });

const many = (count: number, operator: string) => ({ $or: Array.from({ length: count }, (_, n) => ({ 'data.a': { [operator]: `x${n}` } })) });

test('a filter is bounded in depth, comparisons, expressions and text', () => {
  expect(readFilter(nested(15))).not.toBeInstanceOf(Array);
  expect(readFilter(nested(16))).toEqual([{ pointer: expect.stringMatching(/^\/filter(\/\$not){16}$/), detail: expect.stringContaining('16 levels') }]);
  expect(readFilter(many(100, '$eq'))).not.toBeInstanceOf(Array);
  expect(readFilter(many(150, '$eq'))).toEqual([{ pointer: '/filter/$or/100/data.a/$eq', detail: expect.stringContaining('100') }]);
  expect(readFilter(many(10, '$regex'))).not.toBeInstanceOf(Array);
  expect(readFilter(many(11, '$regex'))).toEqual([{ pointer: '/filter/$or/10/data.a/$regex', detail: expect.stringContaining('10') }]);
  expect(readFilter({ 'data.a': 'x'.repeat(16 * 1024) })).toEqual([{ pointer: '/filter', detail: expect.stringContaining('16384') }]);
});

test('an event too large to be judged in bounded time passes, whichever way the filter asks', () => {
  const subject = { ...SUBJECT, data: { list: Array.from({ length: 400_000 }, () => ({ a: { b: 1 } })), long: 'ab'.repeat(2_000_000) } };
  const started = cpuMs();
  for (const filter of [{ 'data.list.a.b': 2 }, { $not: { 'data.list.a.b': { $exists: false } } }, { 'data.long': { $regex: '(?i)(a[ab]{1,90}){1,2}c' } }]) expect(passes(filter, subject)).toBe(true);
  expect(cpuMs() - started).toBeLessThan(2_000);
});

test('an expression that backtracking engines choke on is answered at once', () => {
  const started = cpuMs();
  expect(passes({ 'data.x': { $regex: '^(a+)+$' } }, { ...SUBJECT, data: { ...DATA, x: `${'a'.repeat(40_000)}!` } })).toBe(false);
  expect(cpuMs() - started).toBeLessThan(1_000);
});
