import { isObject } from '../../platform/index.js';
import { isOfFormat } from './formats.js';

const FORMATS = ['uuid', 'date-time', 'date', 'email', 'ipv4', 'uri'];
/** Texts with at most so many different values, each seen several times, are taken for a choice. */
const MAX_CHOICES = 8;
const LONGEST_CHOICE = 64;
const LEAST_FOR_CHOICE = 10;
const SEEN_EACH = 3;
/** An object with more names than this is a map, whose names say nothing. */
const MAX_NAMES = 100;
/** A proposal stays within what can be registered. */
const MAX_SCHEMAS = 250;
const MAX_DEPTH = 16;

type Json = Record<string, unknown>;

/** What has been seen at one place of many documents. */
export class Sample {
  private readonly counts = { null: 0, boolean: 0, integer: 0, number: 0, string: 0, array: 0, object: 0 };
  /** A number that JSON has and schemas do not: 1e999. */
  private isBeyond = false;
  private readonly members = new Map<string, Sample>();
  private isMap = false;
  private elements: Sample | undefined;
  private choices: Set<string> | undefined = new Set();
  private formats = FORMATS;

  constructor(private readonly depth = 0) {}

  add(value: unknown): void {
    if (value === null) this.counts.null++;
    else if (Array.isArray(value)) this.addArray(value);
    else if (isObject(value)) this.addObject(value);
    else if (typeof value === 'string') this.addText(value);
    else if (typeof value === 'boolean') this.counts.boolean++;
    else if (!Number.isFinite(value)) this.isBeyond = true;
    else this.counts[Number.isInteger(value) ? 'integer' : 'number']++;
  }

  /**
   * A JSON Schema that every value added is valid for. At the paths in `hidden` (by their parts, `*` for any) it says what
   * type there is, and nothing that was taken from a value.
   */
  schema(hidden: string[][] = []): Json {
    return this.build(hidden, { left: MAX_SCHEMAS });
  }

  private build(hidden: string[][], budget: { left: number }): Json {
    budget.left--;
    const { counts } = this;
    if (this.isBeyond) return {};
    const types = Object.entries(counts).filter(([type, count]) => count > 0 && !(type === 'integer' && counts.number > 0)).map(([type]) => type);
    if (types.length === 0) return {};
    const schema: Json = { type: types.length === 1 ? types[0] : types };
    if (hidden.some((path) => path.length === 0)) return schema;
    const below = (chooses: (part: string) => boolean): string[][] => hidden.filter(([part]) => part === '*' || chooses(part!)).map(([, ...rest]) => rest);
    if (counts.string > 0) this.describeText(schema);
    if (this.elements && budget.left > 0) schema.items = this.elements.build(below((part) => /^\d+$/.test(part)), budget);
    if (counts.object > 0 && !this.isMap && this.members.size > 0) {
      const names = [...this.members.keys()].slice(0, Math.max(0, budget.left));
      schema.properties = Object.fromEntries(names.map((name) => [name, budget.left > 0 ? this.members.get(name)!.build(below((part) => part === name), budget) : {}]));
      const required = names.filter((name) => this.members.get(name)!.total === counts.object);
      if (required.length > 0) schema.required = required;
    }
    return schema;
  }

  /** How often there was something here. */
  private get total(): number {
    return Object.values(this.counts).reduce((sum, count) => sum + count, this.isBeyond ? NaN : 0);
  }

  private describeText(schema: Json): void {
    const { string, null: nothing } = this.counts;
    const isAlone = this.total === string + nothing;
    const isChoice = isAlone && this.choices && this.formats.length === 0 && string >= LEAST_FOR_CHOICE && string >= this.choices.size * SEEN_EACH;
    if (isChoice) schema.enum = [...[...this.choices!].sort(), ...(nothing > 0 ? [null] : [])];
    else if (this.formats.length > 0) schema.format = this.formats[0];
  }

  private addText(text: string): void {
    this.counts.string++;
    if (this.formats.length > 0) this.formats = this.formats.filter((format) => isOfFormat(format, text));
    if (text.length > LONGEST_CHOICE) this.choices = undefined;
    this.choices?.add(text);
    if (this.choices && this.choices.size > MAX_CHOICES) this.choices = undefined;
  }

  private addArray(list: unknown[]): void {
    this.counts.array++;
    if (this.depth >= MAX_DEPTH) return;
    for (const element of list) (this.elements ??= new Sample(this.depth + 1)).add(element);
  }

  private addObject(object: Json): void {
    this.counts.object++;
    if (this.isMap || this.depth >= MAX_DEPTH) return;
    for (const [name, value] of Object.entries(object)) {
      let member = this.members.get(name);
      if (!member) this.members.set(name, (member = new Sample(this.depth + 1)));
      member.add(value);
    }
    if (this.members.size <= MAX_NAMES) return;
    this.isMap = true;
    this.members.clear();
  }
}
