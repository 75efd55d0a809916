import { type Fault, MASK, pointerTo } from '../../platform/index.js';

/** Whether a URL leads to another origin than the stored one. Secrets that were given for that one must not follow. */
export function isElsewhere(stored: string | undefined, given: string | undefined): boolean {
  return stored !== undefined && given !== undefined && URL.canParse(given) && new URL(given).origin !== new URL(stored).origin;
}

/**
 * Puts stored secrets back where `given` holds the mask, at any depth. Answers the faults: a mask where nothing is stored.
 * `given` is not changed; `pointer` is where it stands in the body.
 */
export function unmask<T>(given: T, stored: unknown, pointer: string): { value: T; faults: Fault[] } {
  if (given === MASK) {
    return typeof stored === 'string' ? { value: stored as T, faults: [] } : { value: given, faults: [{ pointer, detail: 'is the mask of a secret, but none is stored' }] };
  }
  if (typeof given !== 'object' || given === null || Array.isArray(given)) return { value: given, faults: [] };
  const faults: Fault[] = [];
  const entries = Object.entries(given).map(([name, field]) => {
    const known = typeof stored === 'object' && stored !== null && Object.hasOwn(stored, name) ? (stored as Record<string, unknown>)[name] : undefined;
    const part = unmask<unknown>(field, known, pointerTo(pointer, name));
    faults.push(...part.faults);
    return [name, part.value] as const;
  });
  return { value: Object.fromEntries(entries) as T, faults };
}
