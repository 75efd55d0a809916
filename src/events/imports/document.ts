import { parse } from 'yaml';
import { findJsonFault, isObject } from '../../platform/index.js';

const MAX_TEXT = 1024 * 1024;
/** Values, once aliases are followed. */
const MAX_VALUES = 100_000;
const MAX_DEPTH = 64;
const MAX_ALIASES = 100;

/** Reads a document that somebody describes their events in, as JSON or YAML text or already parsed; or says why it cannot be read. */
export function readDocument(given: unknown): Record<string, unknown> | string {
  let document = given;
  if (typeof given === 'string') {
    if (given.length > MAX_TEXT) return `must be at most ${MAX_TEXT} characters`;
    try {
      document = parse(given, { maxAliasCount: MAX_ALIASES, logLevel: 'error', schema: 'core', merge: false, stringKeys: true });
    } catch (error) {
      // Nested too deeply for the stack.
      return error instanceof RangeError ? `is nested more than ${MAX_DEPTH} levels deep` : `is neither JSON nor YAML: ${(error as Error).message.split('\n')[0]}`;
    }
  }
  if (!isObject(document)) return 'must be an OpenAPI or AsyncAPI document';
  const excess = findExcess(document);
  if (excess) return excess;
  // What YAML has and JSON has not becomes what JSON makes of it.
  const text = JSON.stringify(document);
  return findJsonFault(text)?.detail ?? (JSON.parse(text) as Record<string, unknown>);
}

/** Aliases make a large document of a small text, or one without an end. */
function findExcess(document: unknown): string | undefined {
  let left = MAX_VALUES;
  let characters = 2 * MAX_TEXT;
  const look = (value: unknown, depth: number): string | undefined => {
    if (depth > MAX_DEPTH) return `is nested more than ${MAX_DEPTH} levels deep`;
    if (typeof value === 'string') characters -= value.length;
    if (--left < 0 || characters < 0) return `is too large: at most ${MAX_VALUES} values and ${2 * MAX_TEXT} characters, aliases followed`;
    if (typeof value !== 'object' || value === null) return undefined;
    for (const part of Object.values(value)) {
      const excess = look(part, depth + 1);
      if (excess) return excess;
    }
    return undefined;
  };
  return look(document, 1);
}
