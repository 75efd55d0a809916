import { Problem, pointerTo } from '../errors/problem.js';
import { isObject } from '../is-object.js';
import { parseJson } from './body.js';
import { eachElement, elementsOf, membersOf, type Span } from './json-text.js';

/** A member of a batch and how it was written. */
export interface BatchMember {
  text: string;
  value: unknown;
}

/** Whether a text begins like a body `{"<name>": […]}`. */
export function beginsBatch(text: string, name: string): boolean {
  return headOf(name).test(text);
}

/**
 * The members of a body `{"<name>": […]}`, at least one and at most `max`, one after another, so that a long batch can be read in
 * turns. A broken frame is refused by throwing. Without a parsed `body` the members are also parsed as they are asked for: then a broken
 * frame may show, and throw, as late as that.
 */
export function readBatch(text: string, body: unknown, name: string, max: number): Iterable<BatchMember> {
  if (body === undefined) return beginsBatch(text, name) ? readLong(text, name, max) : readBatch(text, parseJson(text), name, max);
  if (!isObject(body)) throw Problem.invalid({ pointer: '', detail: `must be a JSON object: {"${name}": […]}` });
  const others = Object.keys(body).filter((other) => other !== name);
  if (others.length > 0) throw Problem.invalid(...others.map((other) => ({ pointer: pointerTo('', other), detail: `is not known beside \`${name}\`` })));
  const list = body[name];
  const pointer = `/${name}`;
  if (!Array.isArray(list)) throw Problem.invalid({ pointer, detail: 'must be an array' });
  if (list.length === 0 || list.length > max) throw Problem.invalid({ pointer, detail: `must hold 1 to ${max} ${name}, this one holds ${list.length}` });
  return readShort(text, list, elementsOf(text, membersOf(text).get(name)!.start));
}

const TAIL = /^[ \t\n\r]*\}[ \t\n\r]*$/;
const headOf = (name: string): RegExp => new RegExp(`^[ \\t\\n\\r]*\\{[ \\t\\n\\r]*"${name}"[ \\t\\n\\r]*:[ \\t\\n\\r]*\\[`);

function* readShort(text: string, list: unknown[], spans: Span[]): Generator<BatchMember> {
  for (const [index, value] of list.entries()) yield { text: slice(text, spans[index]!), value };
}

/** Of a text that begins like a batch. When it turns out to be anything else, the whole is read like a short one, and refused for what it is. */
function* readLong(text: string, name: string, max: number): Generator<BatchMember> {
  const elements = eachElement(text, headOf(name).exec(text)![0].length);
  for (let count = 0; count <= max; count++) {
    const { done, value: place } = elements.next();
    if (done) {
      if (place !== undefined && TAIL.test(text.slice(place))) return;
      break;
    }
    const own = slice(text, place);
    const value = parsed(own);
    if (value === undefined) break;
    if (count < max) yield { text: own, value };
  }
  readBatch(text, parseJson(text), name, max);
  throw Problem.invalid({ pointer: `/${name}`, detail: 'is given twice' });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function slice(text: string, { start, end }: Span): string {
  return text.slice(start, end);
}
