import { Liquid, type LiquidError, type Template } from 'liquidjs';
import { type Message, ShapeFault } from './message.js';
import { parseExactly } from './published.js';

/** Enough for any message a person wrote. */
export const MAX_TEMPLATE = 32_768;
/** Longest output, in characters. An event of the default size limit still fits. */
const MAX_OUTPUT = 8 * 1024 * 1024;
/** What the filters of one rendering may copy, in characters or elements. */
const MAX_WORK = 4 * MAX_OUTPUT;
/** A rendering holds up every other delivery of the process. An ordinary one takes far below a millisecond. Looked at between tags and filters, not within one. */
const MAX_RENDER_MS = 50;
/** Elements of all ranges of one rendering: they are made before the first is used. */
const MAX_RANGES = 100_000;
/** Elements of a list that a filter may walk: sorting so many by a member takes some 30 ms, and nothing can interrupt it. */
const MAX_WALKED = 10_000;
/** A format of a date, in characters: one of a megabyte takes a second. */
const MAX_DATE_FORMAT = 200;

/** No files (`include`, `render`, `layout`, `block`), nothing that counts across uses. */
const TAGS = new Set(['assign', 'break', 'capture', 'case', 'comment', 'continue', 'echo', 'for', 'if', 'raw', 'unless', '#']);
/** Pure and of linear cost: no randomness (`sample`, `shuffle`), no expressions in strings (`where_exp`), no backtracking (`strip_html`). */
const FILTERS = new Set([
  'abs', 'append', 'at_least', 'at_most', 'capitalize', 'ceil', 'compact', 'concat', 'date', 'default', 'divided_by', 'downcase', 'escape', 'first', 'floor',
  'join', 'last', 'lstrip', 'map', 'minus', 'modulo', 'plus', 'prepend', 'raw', 'remove', 'remove_first', 'replace', 'replace_first', 'reverse', 'round', 'rstrip',
  'size', 'slice', 'sort', 'split', 'strip', 'strip_newlines', 'sum', 'times', 'truncate', 'truncatewords', 'uniq', 'upcase', 'url_encode', 'where',
]);

/** Those that look at every element. */
const WALKING = new Set(['compact', 'concat', 'join', 'map', 'reverse', 'sort', 'sum', 'uniq', 'where']);

/** Where the scope keeps the message itself, and what filters may still copy: templates cannot name a symbol. */
const PUBLISHED = Symbol('published');
const WORK = Symbol('work');

interface FilterThis {
  context: { memoryLimit: Work; renderLimit: { check(now: number): void }; environments: { data: unknown; metadata: unknown; [PUBLISHED]: Message; [WORK]: Work } };
}
type FilterFunction = (this: FilterThis, value: unknown, ...args: unknown[]) => unknown;

const TEXT = createEngine((value) => value);
// A placeholder stands inside quotes or is made by `json`, so a quote in the data cannot end the string it stands in, nor one in a list.
const JSON_TEXT = createEngine((value) => (typeof value === 'string' || (typeof value === 'object' && value !== null) ? JSON.stringify(asWritten(value)).slice(1, -1) : value));

/** What the filters of one rendering may still do. The engine's own count is left to ranges. */
class Work {
  private left = MAX_WORK;
  private known: [given: FilterThis['context'], counted: FilterThis['context']] | undefined;

  /** A context as filters see it: they count here. */
  counting(context: FilterThis['context']): FilterThis['context'] {
    if (this.known?.[0] !== context) this.known = [context, Object.create(context, { memoryLimit: { value: this } }) as FilterThis['context']];
    return this.known[1];
  }

  use(count: number): void {
    if (count > 0) this.left -= count;
    if (this.left < 0) throw new Error('memory alloc limit exceeded');
  }
}

/** A filter that starts only while there is time, on lists that it can be through with soon. `this` is made anew by the engine for each use. */
function bounded(name: string, filter: FilterFunction): FilterFunction {
  const walking = WALKING.has(name);
  return function (value, ...args) {
    const { context } = this;
    context.renderLimit.check(performance.now());
    if (walking && [value, ...args].some((list) => Array.isArray(list) && list.length > MAX_WALKED)) throw new Error(`${name} takes lists of at most ${MAX_WALKED} elements`);
    this.context = context.environments[WORK].counting(context);
    return filter.call(this, value, ...args);
  };
}

/** What is written counts too: captured text that doubles is as large in memory as any other. */
function written(this: FilterThis, value: unknown): unknown {
  if (typeof value === 'string') this.context.environments[WORK].use(value.length);
  return value;
}

/** A value as the engine writes it. */
function asWritten(value: unknown): string {
  if (Array.isArray(value)) return value.map(asWritten).join('');
  return value === undefined || value === null ? '' : String(value);
}

function createEngine(escape: (value: unknown) => unknown): Liquid {
  const engine = new Liquid({
    ownPropertyOnly: true, strictFilters: true, timezoneOffset: 0, locale: 'en-US', templates: {}, parseLimit: MAX_TEMPLATE, memoryLimit: MAX_RANGES, renderLimit: MAX_RENDER_MS,
    outputEscape: function (this: FilterThis, value: unknown) {
      return escape(written.call(this, value));
    } as (value: unknown) => string,
  });
  for (const name of Object.keys(engine.tags)) if (!TAGS.has(name)) Reflect.deleteProperty(engine.tags, name);
  const { date, raw: _raw, ...others } = engine.filters as unknown as Record<string, FilterFunction>;
  for (const [name, filter] of Object.entries(others)) {
    if (!FILTERS.has(name)) engine.unregisterFilter(name);
    else engine.registerFilter(name, bounded(name, filter) as never);
  }
  engine.registerFilter('date', bounded('date', function (this: FilterThis, value: unknown, ...args: unknown[]) {
    if (String(args[0] ?? '').length > MAX_DATE_FORMAT) throw new Error(`date takes a format of at most ${MAX_DATE_FORMAT} characters`);
    if (value === 'now' || value === 'today') throw new Error(`"${value}" would differ between attempts, use timestamp`);
    return date!.call(this, value, ...args);
  }) as never);
  engine.registerFilter('raw', { raw: true, handler: bounded('raw', written) as never });
  engine.registerFilter('json', { raw: true, handler: bounded('json', toJson) as never });
  return engine;
}

/** JSON of any value, `null` of none; all of `data` or `metadata` as it was published. */
function toJson(this: FilterThis, value: unknown): string {
  const { data, metadata, [PUBLISHED]: message } = this.context.environments;
  const isWhole = typeof value === 'object' && value !== null && (value === data || value === metadata);
  const text = isWhole ? (value === data ? message.data : message.metadata) : (JSON.stringify(value) ?? 'null');
  this.context.memoryLimit.use(text.length);
  return text;
}

/** Whether a media type means JSON. */
export function isJson(contentType: string): boolean {
  return /^[^;]*[/+]json\s*(;|$)/i.test(contentType);
}

/** The text of a message by a template, which is parsed at first use. Throws a {@link ShapeFault} that names line and column. */
export function templateShape(template: string, contentType: string): (message: Message) => string {
  const engine = isJson(contentType) ? JSON_TEXT : TEXT;
  let parsed: Template[] | undefined;
  return (message) => {
    const { event_id, event_type, occurred_at } = message;
    let text: string;
    try {
      parsed ??= engine.parse(template);
      const scope = { event_id, event_type, timestamp: occurred_at.toISOString(), data: parseExactly(message.data), metadata: parseExactly(message.metadata), [PUBLISHED]: message, [WORK]: new Work() };
      text = engine.renderSync(parsed, scope) as string;
    } catch (error) {
      throw new ShapeFault(`The template fails${placeOf(error)}: ${reasonOf(error)}.`);
    }
    if (text.length > MAX_OUTPUT) throw new ShapeFault(`The template made more than ${MAX_OUTPUT / 1024 / 1024} Mi characters.`);
    if (isJson(contentType)) requireJson(text, contentType);
    return text;
  };
}

function requireJson(text: string, contentType: string): void {
  try {
    JSON.parse(text);
  } catch (error) {
    throw new ShapeFault(`The template did not make JSON, as ${contentType} promises. Write values with the json filter: {{ data.amount | json }}.`, (error as Error).message);
  }
}

function placeOf(error: unknown): string {
  const position = (error as Partial<LiquidError>).token?.getPosition();
  return position ? ` at line ${position[0]}, column ${position[1]}` : '';
}

function reasonOf(error: unknown): string {
  const { message } = ((error as { originalError?: Error }).originalError ?? error) as Error;
  return message.replace(/, (file:.*|line:\d+, col:\d+).*$/s, '').replace(/\.$/, '');
}
