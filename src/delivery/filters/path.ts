import { isObject } from '../../platform/index.js';

/** What a filter looks at. `data` and `metadata` are parsed. */
export interface Subject {
  event_type: string;
  data: unknown;
  metadata: unknown;
}

/** What a filter may spend on one event. A unit is a value looked at, or what an expression does in as much time: 0.1 µs. */
const BUDGET = 250_000;

/** Counts the work of one evaluation, and breaks it off by throwing. */
export class Meter {
  private left = BUDGET;

  spend(units: number): void {
    this.left -= units;
    if (this.left < 0) throw new Error('The filter takes too long over this event.');
  }
}

const INDEX = /^\d{1,9}$/;

/**
 * Whether `test` holds for some value that the path leads to. An array on the way is entered by index, or else by each of
 * its objects. Only an object's own properties count, so `constructor` and `__proto__` are names like any other.
 */
export function someAt(value: unknown, names: readonly string[], test: (value: unknown) => boolean, meter: Meter, from = 0): boolean {
  meter.spend(1);
  if (from === names.length) return test(value);
  const name = names[from]!;
  if (!Array.isArray(value)) return isObject(value) && Object.hasOwn(value, name) && someAt(value[name], names, test, meter, from + 1);
  if (INDEX.test(name)) return Number(name) < value.length && someAt(value[Number(name)], names, test, meter, from + 1);
  meter.spend(value.length);
  return value.some((element) => isObject(element) && Object.hasOwn(element, name) && someAt(element[name], names, test, meter, from + 1));
}
