/**
 * Reading JSON that must be kept as it was sent.
 *
 * `JSON.parse` decides whether a text is JSON; this module adds what it cannot say: how deep the text nests, whether it
 * holds what Postgres cannot (`\u0000`, lone surrogates, numbers beyond `numeric`) or what attacks objects (`__proto__`), and
 * where in the text a member's value stands, so that its exact characters can be stored.
 */
import { pointerTo } from '../errors/problem.js';

/** The text of a value and where it lies. */
export interface Span {
  start: number;
  end: number;
}

/** What is wrong with a JSON text that parses, and where in it. */
export interface JsonFault {
  at: number;
  detail: string;
}

const QUOTE = 34, BACKSLASH = 92, OPEN_BRACE = 123, CLOSE_BRACE = 125, OPEN_BRACKET = 91, CLOSE_BRACKET = 93, COMMA = 44, COLON = 58;

/** Deeper nesting is refused: nobody sends it on purpose, and Postgres and most receivers recurse. */
export const MAX_DEPTH = 64;

// What a fault cannot do without. The look for it is native and spares nearly every text the walk below.
const SUSPICIOUS = /\\u|__proto__|\d[eE][+-]?\d{4}/;

/** Looks through a text already known to be JSON for what this product refuses. */
export function findJsonFault(text: string): JsonFault | undefined {
  if (!SUSPICIOUS.test(text) && !couldBeDeep(text)) return undefined;
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char === QUOTE) {
      const end = endOfString(text, at);
      const fault = findStringFault(text.slice(at, end), at, isKey(text, end));
      if (fault) return fault;
      at = end - 1;
    } else if (char === OPEN_BRACE || char === OPEN_BRACKET) {
      if (++depth > MAX_DEPTH) return { at, detail: `is nested more than ${MAX_DEPTH} levels deep` };
    } else if (char === CLOSE_BRACE || char === CLOSE_BRACKET) {
      depth--;
    } else if (char === 101 || char === 69) {
      // `e` outside a string: an exponent, or the last letter of `true` and `false`, which no digit follows.
      const exponent = /^[+-]?(\d+)/.exec(text.slice(at + 1, at + 24));
      if (exponent && Number(exponent[1]) > 1_000) return { at, detail: 'holds a number with an exponent beyond 1000' };
    }
  }
  return undefined;
}

/** Whether the text opens more brackets than may nest, strings counted in. */
function couldBeDeep(text: string): boolean {
  let opened = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if ((char === OPEN_BRACE || char === OPEN_BRACKET) && ++opened > MAX_DEPTH) return true;
  }
  return false;
}

/** `raw` is a string as it stands in the text, with its quotes. */
function findStringFault(raw: string, at: number, isName: boolean): JsonFault | undefined {
  const escaped = raw.includes('\\u');
  if (escaped) {
    if (/(?<!\\)(?:\\\\)*\\u0000/.test(raw)) return { at, detail: 'holds the character \\u0000, which Postgres cannot store' };
    if (!(JSON.parse(raw) as string).isWellFormed()) return { at, detail: 'holds half of a surrogate pair' };
  }
  // An escaped spelling of the name counts too.
  if (isName && (escaped ? JSON.parse(raw) === '__proto__' : raw === '"__proto__"')) return { at, detail: 'has the forbidden key `__proto__`' };
  return undefined;
}

function isKey(text: string, end: number): boolean {
  return text.charCodeAt(skipSpace(text, end)) === COLON;
}

/** The members of the object that starts at `start` (white space allowed before it), each name with the span of its value. A name given twice keeps its last value, as in `JSON.parse`. */
export function membersOf(text: string, start = 0): Map<string, Span> {
  return new Map(entriesOf(text, start));
}

/** The same with every occurrence of a name given several times, in order. */
function entriesOf(text: string, start: number): [name: string, value: Span][] {
  const entries: [string, Span][] = [];
  let at = skipSpace(text, skipSpace(text, start) + 1);
  while (text.charCodeAt(at) !== CLOSE_BRACE) {
    const endOfName = endOfString(text, at);
    const name = JSON.parse(text.slice(at, endOfName)) as string;
    const valueStart = skipSpace(text, skipSpace(text, endOfName) + 1);
    const valueEnd = endOfValue(text, valueStart);
    entries.push([name, { start: valueStart, end: valueEnd }]);
    at = skipSpace(text, valueEnd);
    if (text.charCodeAt(at) === COMMA) at = skipSpace(text, at + 1);
  }
  return entries;
}

/** The spans of the elements of the array that starts at `start`. */
export function elementsOf(text: string, start: number): Span[] {
  const elements: Span[] = [];
  let at = skipSpace(text, skipSpace(text, start) + 1);
  while (text.charCodeAt(at) !== CLOSE_BRACKET) {
    const end = endOfValue(text, at);
    elements.push({ start: at, end });
    at = skipSpace(text, end);
    if (text.charCodeAt(at) === COMMA) at = skipSpace(text, at + 1);
  }
  return elements;
}

/** The same as they are asked for, from behind the bracket, of a text that need not be JSON: answers at last where the array ends, or undefined where it is none. */
export function* eachElement(text: string, from: number): Generator<Span, number | undefined> {
  for (let at = from; ; at++) {
    const start = skipSpace(text, at);
    const end = endOfValue(text, start);
    yield { start, end };
    at = skipSpace(text, end);
    if (text.charCodeAt(at) === CLOSE_BRACKET) return at + 1;
    if (text.charCodeAt(at) !== COMMA) return undefined;
  }
}

/**
 * Goes through the object or array at `start` in one pass. `visit` gets each child's name (of an element, its place) and where its
 * value begins, and may answer where that ends if it has found out itself. Answers where the whole ends.
 */
export function eachChild(text: string, start: number, visit: (name: string, at: number) => number | undefined): number {
  const isObject = text.charCodeAt(start) === OPEN_BRACE;
  let at = skipSpace(text, start + 1);
  for (let place = 0; text.charCodeAt(at) !== CLOSE_BRACE && text.charCodeAt(at) !== CLOSE_BRACKET; place++) {
    let name = String(place);
    if (isObject) {
      const endOfName = endOfString(text, at);
      name = JSON.parse(text.slice(at, endOfName)) as string;
      at = skipSpace(text, skipSpace(text, endOfName) + 1);
    }
    at = skipSpace(text, visit(name, at) ?? endOfValue(text, at));
    if (text.charCodeAt(at) === COMMA) at = skipSpace(text, at + 1);
  }
  return at + 1;
}

/** The JSON pointer (RFC 6901) of the innermost value or key at a position. */
export function pointerAt(text: string, position: number): string {
  let pointer = '';
  let at = skipSpace(text, 0);
  for (;;) {
    const char = text.charCodeAt(at);
    const children: [string, Span][] = char === OPEN_BRACE ? namedSpans(text, at) : char === OPEN_BRACKET ? elementsOf(text, at).map((span, index) => [String(index), span]) : [];
    const inside = children.find(([, span]) => position >= span.start && position < span.end);
    if (!inside || pointer.length > 512) return pointer;
    pointer = pointerTo(pointer, inside[0]);
    at = inside[1].start;
  }
}

function namedSpans(text: string, start: number): [string, Span][] {
  return [...membersOf(text, start)];
}

/** Where the value that begins at `start` ends; of what is no JSON, somewhere behind it. */
export function endOfValue(text: string, start: number): number {
  const first = text.charCodeAt(start);
  if (first === QUOTE) return endOfString(text, start);
  let at = start;
  if (first !== OPEN_BRACE && first !== OPEN_BRACKET) {
    for (; at < text.length; at++) {
      const char = text.charCodeAt(at);
      if (char === COMMA || char === CLOSE_BRACE || char === CLOSE_BRACKET || isSpace(char)) break;
    }
    return at;
  }
  let depth = 0;
  do {
    const char = text.charCodeAt(at);
    if (char === QUOTE) {
      at = endOfString(text, at);
      continue;
    }
    if (char === OPEN_BRACE || char === OPEN_BRACKET) depth++;
    else if (char === CLOSE_BRACE || char === CLOSE_BRACKET) depth--;
    at++;
  } while (depth > 0 && at < text.length);
  return at;
}

function endOfString(text: string, start: number): number {
  let quote = start;
  for (;;) {
    quote = text.indexOf('"', quote + 1);
    if (quote < 0) return text.length;
    let slashes = quote - 1;
    while (text.charCodeAt(slashes) === BACKSLASH) slashes--;
    if ((quote - 1 - slashes) % 2 === 0) return quote + 1;
  }
}

function skipSpace(text: string, start: number): number {
  let at = start;
  while (isSpace(text.charCodeAt(at))) at++;
  return at;
}

function isSpace(char: number): boolean {
  return char === 32 || char === 10 || char === 13 || char === 9;
}
