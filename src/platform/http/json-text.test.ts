import { expect, test } from 'vitest';
import { elementsOf, findJsonFault, MAX_DEPTH, membersOf, pointerAt, type Span } from './json-text.js';

const cut = (text: string, { start, end }: Span): string => text.slice(start, end);
const cutMember = (text: string, name: string): string => cut(text, membersOf(text).get(name)!);

test.each([
  ['{"data":1.0}', '1.0'],
  ['{"data":12345678901234567890.10}', '12345678901234567890.10'],
  ['{"data":-1E+2,"x":0}', '-1E+2'],
  ['{"data": { "b" : 1 , "a" : [ 1 ] } }', '{ "b" : 1 , "a" : [ 1 ] }'],
  ['{"x":"}","data":"a\\"b\\\\"}', '"a\\"b\\\\"'],
  ['{"x":"\\\\","data":[]}', '[]'],
  ['{"x":"[{\\"","data":{"]":"}"}}', '{"]":"}"}'],
  ['\r\n\t {\n"data"\t:\r true\n}', 'true'],
  ['{"data":null,"data":false}', 'false'],
  ['{"d\\u0061ta":"escaped name"}', '"escaped name"'],
  ['{"data":"naïve 🎉 \\ud83c\\udf89"}', '"naïve 🎉 \\ud83c\\udf89"'],
])('the text of a member is cut out exactly: %s', (text, expected) => {
  expect(cutMember(text, 'data')).toBe(expected);
});

test.each([['{}', 0], [' { } ', 0], ['{"a":{}}', 1], ['{"":1,"a":2}', 2]])('%s has %i members', (text, count) => {
  expect(membersOf(text).size).toBe(count);
});

test('the elements of an array are cut out exactly, wherever the array stands', () => {
  const text = '{"events": [ {"a":"]"} , [1, [2]],"x\\"],", 1.50 ,null ] }';
  expect(elementsOf(text, membersOf(text).get('events')!.start).map((span) => cut(text, span))).toEqual(['{"a":"]"}', '[1, [2]]', '"x\\"],"', '1.50', 'null']);
  expect(elementsOf('[ ]', 0)).toEqual([]);
});

test.each([
  ['{"a":"\\u0000"}', '\\u0000'],
  ['{"a":"\\\\\\u0000"}', '\\u0000'],
  ['{"a\\u0000":1}', '\\u0000'],
  ['["\\ud800"]', 'surrogate'],
  ['["\\udc00\\ud800"]', 'surrogate'],
  ['{"\\ud83c":1}', 'surrogate'],
  ['{"__proto__":1}', '__proto__'],
  ['{"x":{"__proto__" : {}}}', '__proto__'],
  ['{"\\u005f_proto__":1}', '__proto__'],
  ['{"\\u005f\\u005f\\u0070\\u0072\\u006f\\u0074\\u006f\\u005f\\u005f":1}', '__proto__'],
  ['[1e1001]', 'exponent'],
  ['[-1E-99999]', 'exponent'],
  ['[1.5e+00002000]', 'exponent'],
])('%s is refused because of its %s', (text, reason) => {
  expect(findJsonFault(text)?.detail).toContain(reason);
});

test.each([
  '{"a":"\\\\u0000"}', '{"a":"\\\\\\\\u0000"}', '["\\ud83c\\udf89"]', '["u0000"]', '["__proto__"]', '{"x":"__proto__"}', '{"__proto":1,"proto__":2}',
  '[1e1000,1E-1000,true,false,[0.5e+3]]', '["1e9999"]', '{"e9999":true}', '{"constructor":1}', '""', '0', '[[],{}]',
])('%s is let through', (text) => {
  JSON.parse(text);
  expect(findJsonFault(text)).toBeUndefined();
});

const nest = (levels: number, open: string, close: string): string => open.repeat(levels) + '0' + close.repeat(levels);

test(`${MAX_DEPTH} levels of nesting pass and one more does not, in arrays and objects, but brackets in strings do not count`, () => {
  for (const [open, close] of [['[', ']'], ['{"a":', '}']] as const) {
    expect(findJsonFault(nest(MAX_DEPTH, open, close))).toBeUndefined();
    expect(findJsonFault(nest(MAX_DEPTH + 1, open, close))?.detail).toContain(`${MAX_DEPTH} levels`);
  }
  expect(findJsonFault(JSON.stringify(['['.repeat(500)]))).toBeUndefined();
  // Siblings do not add up.
  expect(findJsonFault(`[${'[],'.repeat(200)}[]]`)).toBeUndefined();
});

test.each([
  ['{"a":{"b":["x","\\u0000"]}}', '/a/b/1'],
  ['{"a/b":{"c~d":"\\u0000"}}', '/a~1b/c~0d'],
  ['[[1],[2,"\\ud800"]]', '/1/1'],
  ['"\\u0000"', ''],
  ['{"a":1,"b":{"__proto__":1}}', '/b'],
])('in %s the fault is at %j', (text, pointer) => {
  expect(pointerAt(text, findJsonFault(text)!.at)).toBe(pointer);
});

/** Small, seeded, and good enough to make JSON with. */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** JSON text with white space, escapes and repeated names wherever the grammar allows them. */
function randomJson(random: (below: number) => number, depth = 0): string {
  const pick = <T>(from: readonly T[]): T => from[random(from.length)]!;
  const space = (): string => pick(['', '', '', ' ', '\n', '\t ', '\r\n']);
  const string = (): string => `"${Array.from({ length: random(5) }, () => pick(['a', 'b', '\\"', '\\\\', '\\u00e9', 'ü', '🎉', '{', ']', ',', ':', '\\n', '\\/'])).join('')}"`;
  const kind = random(depth > 4 ? 4 : 6);
  if (kind === 4) return `[${space()}${Array.from({ length: random(4) }, () => randomJson(random, depth + 1) + space()).join(`,${space()}`)}]`;
  if (kind === 5) return `{${space()}${Array.from({ length: random(4) }, () => `${string()}${space()}:${space()}${randomJson(random, depth + 1)}${space()}`).join(`,${space()}`)}}`;
  return [string, () => pick(['0', '-1.50', '1e3', '12345678901234567890', '0.10E-2']), () => pick(['true', 'false', 'null']), string][kind]!();
}

test('in any JSON, the text cut out for a member is the value that JSON.parse sees there', () => {
  let members = 0;
  for (let seed = 1; seed <= 2_000; seed++) {
    const random = randomOf(seed);
    const text = `{"x":${randomJson(random)} , "y" :${randomJson(random)},"x":${randomJson(random)}}`;
    const whole = JSON.parse(text) as Record<string, unknown>;
    const spans = membersOf(text);
    expect([...spans.keys()].sort(), text).toEqual(Object.keys(whole).sort());
    for (const [name, span] of spans) {
      expect(JSON.parse(cut(text, span)), text).toEqual(whole[name]);
      expect(cut(text, span)).toBe(cut(text, span).trim());
      expect(pointerAt(text, span.start)).toMatch(new RegExp(`^/${name}`));
      if (Array.isArray(whole[name])) expect(elementsOf(text, span.start).map((element) => JSON.parse(cut(text, element))), text).toEqual(whole[name]);
      members++;
    }
    expect(findJsonFault(text), text).toBeUndefined();
  }
  expect(members).toBeGreaterThan(3_000);
});
