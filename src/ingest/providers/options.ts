import { type Fault, namesOf, pointerTo } from '../../platform/index.js';

/** What is wrong with an option's value, in words, by the option's name. */
export type Rules = Record<string, (value: unknown) => string | undefined>;

export function findFaults(rules: Rules, options: Record<string, unknown>): Fault[] {
  return Object.entries(options).flatMap(([name, value]) => {
    const detail = Object.hasOwn(rules, name) ? rules[name]!(value) : 'is not known here';
    return detail === undefined ? [] : [{ pointer: pointerTo('', name), detail }];
  });
}

export function headerName(value: unknown): string | undefined {
  return typeof value === 'string' && /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/.test(value) ? undefined : 'must be the name of a header, at most 100 characters';
}

export function path(value: unknown): string | undefined {
  return typeof value === 'string' && value.length <= 500 && namesOf(value).every((name) => name !== '') ? undefined : 'must be a path of names with dots between them, such as data.object.id, at most 500 characters';
}

export function asciiText(most: number): (value: unknown) => string | undefined {
  return (value) => (typeof value === 'string' && value.length <= most && /^[\x20-\x7e]*$/.test(value) ? undefined : `must be printable ASCII, at most ${most} characters`);
}

export function oneOf(choices: readonly string[]): (value: unknown) => string | undefined {
  return (value) => (choices.includes(value as string) ? undefined : `must be one of ${choices.join(', ')}`);
}
