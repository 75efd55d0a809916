import { RE2JS } from 're2js';

/** A regular expression that takes time in proportion to the text, whatever it is. */
export interface Expression {
  /** Whether it is found anywhere in a text. */
  test(text: string): boolean;
  /** Steps it compiles to: time per character grows with them. */
  size: number;
}

const MAX_PATTERN = 256;
const MAX_SIZE = 500;

/** Reads an expression of somebody else's, in RE2's grammar. Else says why not; `costly` where that took long to find out. */
export function readExpression(pattern: string): Expression | { detail: string; costly?: true } {
  if (pattern.length > MAX_PATTERN) return { detail: `must be at most ${MAX_PATTERN} characters` };
  let compiled: RE2JS;
  try {
    compiled = RE2JS.compile(pattern);
  } catch (error) {
    return { detail: `is not an RE2 expression: ${(error as Error).message.replace(/^error parsing regexp: /, '')}` };
  }
  const size = compiled.programSize();
  if (size > MAX_SIZE) return { detail: `is too complex: it compiles to ${size} steps, of ${MAX_SIZE} allowed; ask for fewer repetitions`, costly: true };
  return { test: (text) => compiled.test(text), size };
}
