import { elementsOf, entriesOf, type Fault, Problem, type Span } from '../../platform/index.js';

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

/** A JSON text in which the values at the paths are masked, and every other character is as it was. */
export function masked(text: string, paths: readonly string[]): string {
  const spans = paths.flatMap((path) => spansAt(text, text.search(/\S/), partsOf(path))).sort((a, b) => a.start - b.start || b.end - a.end);
  let result = '';
  let at = 0;
  for (const { start, end } of spans) {
    // Inside one that is masked already.
    if (start < at) continue;
    result += text.slice(at, start) + MASK;
    at = end;
  }
  return result + text.slice(at);
}

/** Where the values at a path stand. A name given several times counts each time, unlike in `JSON.parse`. */
function spansAt(text: string, start: number, [part, ...rest]: string[]): Span[] {
  const first = text[start];
  const children: [string, Span][] = first === '{' ? entriesOf(text, start) : first === '[' ? elementsOf(text, start).map((span, index) => [String(index), span]) : [];
  const hits = children.filter(([name]) => part === '*' || name === part);
  return hits.flatMap(([, span]) => (rest.length === 0 ? [span] : spansAt(text, span.start, rest)));
}
