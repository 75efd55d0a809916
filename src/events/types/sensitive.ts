import { eachChild, endOfValue, type Fault, Problem, type Span } from '../../platform/index.js';

/** Stands in answers for what the caller may not see. */
const MASK = '"********"';

const MAX_PATHS = 100;
const MAX_LENGTH = 500;

/** Refuses bytes that may hold what is sensitive, where nothing in them can be masked. */
export function withheld(): Problem {
  return new Problem('forbidden', 'The body may hold fields that an event type calls sensitive. This needs a key with the scope events:read_sensitive.');
}

/** What is wrong with the paths of `contains_sensitive`. */
export function findPathFaults(paths: readonly string[], pointer = '/contains_sensitive'): Fault[] {
  if (paths.length > MAX_PATHS) return [{ pointer, detail: `must hold at most ${MAX_PATHS} paths` }];
  return paths.flatMap((path, index) => (/^(\/([^~/]|~0|~1)*)+$/.test(path) && path.length <= MAX_LENGTH ? [] : [{ pointer: `${pointer}/${index}`, detail: `must be a JSON pointer into data, such as /customer/email, with * for any element or name, of at most ${MAX_LENGTH} characters` }]));
}

/** The parts of such a path. `*` stands for every element and every name. */
export function partsOf(path: string): string[] {
  return path.split('/').slice(1).map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/** A JSON text in which the values at the paths are masked, and every other character is as it was. One pass, however many paths there are. */
export function masked(text: string, paths: readonly string[]): string {
  const hits: Span[] = [];
  findHits(text, text.search(/\S/), new Sieve(paths.map(partsOf)), hits);
  let result = '';
  let at = 0;
  for (const { start, end } of hits) {
    result += text.slice(at, start) + MASK;
    at = end;
  }
  return result + text.slice(at);
}

/** Where the values stand that the paths lead to, in order, none inside another. A name given several times counts each time, unlike in `JSON.parse`. Answers where the value ends, if it came to that. */
function findHits(text: string, start: number, sieve: Sieve, hits: Span[]): number | undefined {
  if (text[start] !== '{' && text[start] !== '[') return undefined;
  return eachChild(text, start, (name, at) => {
    const next = sieve.below(name);
    if (!next?.isHit) return next && findHits(text, at, next, hits);
    const end = endOfValue(text, at);
    hits.push({ start: at, end });
    return end;
  });
}

/** What is left of some paths at one place of a text. */
class Sieve {
  readonly isHit: boolean;
  private readonly names: ReadonlySet<string | undefined>;
  private readonly known = new Map<string, Sieve | undefined>();

  constructor(private readonly rests: string[][]) {
    this.isHit = rests.some(({ length }) => length === 0);
    this.names = new Set(rests.map(([name]) => name));
  }

  /** The same for a child. Names that no path has are all alike. */
  below(name: string): Sieve | undefined {
    const key = this.names.has(name) ? name : '*';
    if (!this.known.has(key)) {
      const rests = this.rests.filter(([first]) => first === key || first === '*').map((rest) => rest.slice(1));
      this.known.set(key, rests.length > 0 ? new Sieve(rests) : undefined);
    }
    return this.known.get(key);
  }
}
