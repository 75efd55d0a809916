import { isObject } from '../../platform/index.js';
import { clean } from './text.js';

/** What may be a number that a double does not hold: 16 characters or more, or a large exponent. Native and linear. */
const LONG_NUMBERS = /\d[\d.]{15,}(?:[eE][+-]?\d+)?|\d[eE]\+?\d{3,}/g;

type Reviver = (key: string, value: unknown, context: { source: string }) => unknown;
// Node has both since version 21; TypeScript's library does not know them yet.
const { parse, rawJSON } = JSON as unknown as { parse(text: string, reviver?: Reviver): unknown; rawJSON(text: string): unknown };

/** A number with more digits than a double holds. It prints and serialises as it was published, and counts as the nearest double. */
class ExactNumber {
  readonly #source: string;

  constructor(source: string) {
    this.#source = source;
  }

  toString(): string {
    return this.#source;
  }

  valueOf(): number {
    return Number(this.#source);
  }

  toJSON(): unknown {
    return rawJSON(this.#source);
  }
}

/** Parses published JSON; numbers that would lose digits print as they were sent. */
export function parseExactly(text: string): unknown {
  // Mostly there is none, or a double holds it. A reviver takes five times as long.
  if (text.match(LONG_NUMBERS)?.every(fitsDouble) ?? true) return JSON.parse(text);
  return parse(text, (_key, value, { source }) => (typeof value === 'number' && (source.length > 15 || !Number.isFinite(value)) && !fitsDouble(source) ? new ExactNumber(source) : value));
}

/** Whether a double prints all digits of a number, but for noughts at its end. */
function fitsDouble(source: string): boolean {
  return String(Number(source)) === (source.includes('.') ? source.replace(/\.?0+$/, '') : source);
}

/** Looks into published data, which may be anything. What is missing, of another kind or without anything printable reads as undefined. */
export class Published {
  constructor(private readonly data: unknown) {}

  /** Of JSON text; text that does not parse holds nothing. */
  static of(text: string): Published {
    try {
      return new Published(parseExactly(text));
    } catch {
      return new Published(undefined);
    }
  }

  /** A string, number or boolean as one printable line. `path` is dotted. */
  text(path: string): string | undefined {
    return lineOf(this.at(path));
  }

  /** A finite number, or a string that holds one. */
  number(path: string): number | undefined {
    const value = this.at(path);
    if (typeof value !== 'number' && !(value instanceof ExactNumber) && !(typeof value === 'string' && /^-?\d{1,40}(\.\d{1,40})?$/.test(value))) return undefined;
    return Number.isFinite(Number(value)) ? Number(value) : undefined;
  }

  /** The first `most` elements of an array. */
  list(path: string, most: number): Published[] {
    const value = this.at(path);
    return Array.isArray(value) ? value.slice(0, most).map((element) => new Published(element)) : [];
  }

  isTrue(path: string): boolean {
    return this.at(path) === true;
  }

  /** The first `most` members that are a line of text, in their order. */
  scalars(most: number): [name: string, value: string][] {
    const found: [string, string][] = [];
    if (!isObject(this.data)) return found;
    for (const key in this.data) {
      const value = lineOf(this.data[key]);
      const name = value === undefined ? '' : clean(key, 100);
      if (value !== undefined && name) found.push([name, value]);
      if (found.length === most) break;
    }
    return found;
  }

  private at(path: string): unknown {
    return path.split('.').reduce<unknown>((value, name) => (isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined), this.data);
  }
}

function lineOf(value: unknown): string | undefined {
  if (typeof value === 'string') return clean(value) || undefined;
  if (typeof value === 'number' || typeof value === 'boolean' || value instanceof ExactNumber) return clean(String(value));
  return undefined;
}
