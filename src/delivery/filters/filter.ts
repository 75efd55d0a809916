import { pathOf } from '../../platform/index.js';
import { type Comparison, show } from './operators.js';
import { Meter, someAt, type Subject } from './path.js';

/** Which clause of a filter refused an event. `pointer` is a JSON pointer into the filter. */
export interface Refusal {
  pointer: string;
  detail: string;
}

/** A part of a filter. */
export interface Clause {
  holds(subject: Subject, meter: Meter): boolean;
  /** Why it does not hold. Asked only then, and not on the hot path. */
  refusal(subject: Subject, meter: Meter): Refusal;
  /** Why it holds, in words. Asked only then, by what negates it. */
  evidence(subject: Subject, meter: Meter): string;
}

/** Every part must hold. */
export class All implements Clause {
  constructor(private readonly parts: Clause[]) {}

  holds(subject: Subject, meter: Meter): boolean {
    return this.parts.every((part) => part.holds(subject, meter));
  }

  refusal(subject: Subject, meter: Meter): Refusal {
    return this.parts.find((part) => !part.holds(subject, meter))!.refusal(subject, meter);
  }

  evidence(subject: Subject, meter: Meter): string {
    return inWords(this.parts, (part) => part.evidence(subject, meter));
  }
}

/** At least one part must hold. */
export class Any implements Clause {
  constructor(private readonly parts: Clause[], private readonly pointer: string) {}

  holds(subject: Subject, meter: Meter): boolean {
    return this.parts.some((part) => part.holds(subject, meter));
  }

  refusal(subject: Subject, meter: Meter): Refusal {
    return { pointer: this.pointer, detail: `none of its ${this.parts.length} parts holds: ${inWords(this.parts, (part) => part.refusal(subject, meter).detail)}` };
  }

  evidence(subject: Subject, meter: Meter): string {
    return this.parts.find((part) => part.holds(subject, meter))!.evidence(subject, meter);
  }
}

/** The part must not hold. */
export class Not implements Clause {
  constructor(private readonly part: Clause, private readonly pointer: string) {}

  holds(subject: Subject, meter: Meter): boolean {
    return !this.part.holds(subject, meter);
  }

  refusal(subject: Subject, meter: Meter): Refusal {
    return { pointer: this.pointer, detail: `what it negates holds: ${this.part.evidence(subject, meter)}` };
  }

  evidence(subject: Subject, meter: Meter): string {
    return this.part.refusal(subject, meter).detail;
  }
}

/** What stands at a path is compared. Of an array it is enough that one element passes the comparison. */
export class Compared implements Clause {
  constructor(private readonly names: readonly string[], private readonly comparison: Comparison, private readonly pointer: string) {}

  holds(subject: Subject, meter: Meter): boolean {
    const { test, negated = false, presence } = this.comparison;
    const found = someAt(subject, this.names, (value) => {
      if (presence || !Array.isArray(value)) return test(value, meter);
      meter.spend(value.length);
      return value.some((element) => test(element, meter));
    }, meter);
    return found !== negated;
  }

  refusal(subject: Subject, meter: Meter): Refusal {
    const { wanted, negated, presence } = this.comparison;
    const actual = this.evidence(subject, meter);
    const demand = presence ? (negated ? ', and must not be there' : '') : negated ? `, and must not be ${wanted}` : `, not ${wanted}`;
    return { pointer: this.pointer, detail: actual + demand };
  }

  /** What stands there. */
  evidence(subject: Subject, meter: Meter): string {
    const values: unknown[] = [];
    someAt(subject, this.names, (value) => values.push(value) > SHOWN, meter);
    const actual = inWords(values, show, ' and ');
    return `${pathOf(this.names)} ${values.length === 0 ? 'is not there' : `is ${actual}`}`;
  }
}

const SHOWN = 3;

function inWords<T>(parts: T[], word: (part: T) => string, between = '; '): string {
  return parts.slice(0, SHOWN).map(word).join(between) + (parts.length > SHOWN ? `${between}more` : '');
}

/** A filter made ready by `readFilter`. Whatever an event holds, asking it takes bounded time and does not throw. */
export class Filter {
  constructor(private readonly root: Clause) {}

  /** Whether an event is to be delivered. One too large to be judged in time is: too much is better than lost. */
  passes(subject: Subject): boolean {
    try {
      return this.root.holds(subject, new Meter());
    } catch {
      return true;
    }
  }

  /** The first clause that refuses an event, or undefined when it passes. */
  explain(subject: Subject): Refusal | undefined {
    return this.passes(subject) ? undefined : this.refusalOf(subject);
  }

  private refusalOf(subject: Subject): Refusal {
    try {
      return this.root.refusal(subject, new Meter());
    } catch {
      return { pointer: '', detail: 'a clause refuses it, but the event is too large to say which in time' };
    }
  }
}
