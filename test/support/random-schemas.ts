import { valueAt } from '../../src/events/schemas/walk.js';

type Json = Record<string, unknown>;

const NAMES = ['a', 'b', 'x-c', 'constructor'];
const TEXTS = ['', 'a', 'ab', 'abc', '2026-01-01', 'x@y.de', '12'];
const NUMBERS = [-2, -1, 0, 0.5, 1, 2, 3, 4, 6, 10, 1.25];

/** Makes schemas, variants of them, and documents that are often valid for them. The same seed makes the same ones. */
export class Maker {
  private state: number;

  constructor(seed: number) {
    this.state = seed * 2_654_435_761;
  }

  /** An object schema with refs into `$defs`. */
  schema(): Json {
    return { ...this.objectSchema(3), $defs: { d: this.any(2) as Json, e: { type: 'object', properties: { a: { $ref: '#/$defs/e' }, b: this.any(1) } } } };
  }

  /** The same with a few places changed. */
  mutate(schema: Json): Json {
    let changed = structuredClone(schema);
    for (let left = this.int(4); left > 0; left--) changed = this.change(changed) as Json;
    return { ...changed, $defs: changed.$defs ?? schema.$defs };
  }

  /** A document that leans on the schema, with deviations. */
  document(root: Json): unknown {
    return this.fit(root, root, 5);
  }

  private next(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  }

  private int(below: number): number {
    return Math.floor(this.next() * below);
  }

  private chance(share: number): boolean {
    return this.next() < share;
  }

  private pick<T>(list: readonly T[]): T {
    return list[this.int(list.length)]!;
  }

  private maybe(share: number, make: () => Json): Json {
    return this.chance(share) ? make() : {};
  }

  private any(depth: number): Json | boolean {
    const roll = this.int(depth > 0 ? 16 : 7);
    if (roll < 2) return { type: 'string', ...this.maybe(0.3, () => ({ minLength: this.int(3) })), ...this.maybe(0.3, () => ({ maxLength: 1 + this.int(3) })), ...this.maybe(0.2, () => ({ pattern: this.pick(['^a', 'b$', '\\d']) })), ...this.maybe(0.2, () => ({ format: this.pick(['date', 'email']) })) };
    if (roll < 4) return { type: this.pick(['number', 'integer']), ...this.maybe(0.3, () => ({ [this.pick(['minimum', 'exclusiveMinimum'])]: this.pick(NUMBERS) })), ...this.maybe(0.3, () => ({ [this.pick(['maximum', 'exclusiveMaximum'])]: this.pick(NUMBERS) })), ...this.maybe(0.2, () => ({ multipleOf: this.pick([0.5, 1, 2, 3, 4]) })) };
    if (roll === 4) return { enum: [...new Set([this.pick(TEXTS), this.pick(NUMBERS), this.pick([null, true, 'a'])])] };
    if (roll === 5) return this.pick<Json | boolean>([{ type: 'boolean' }, { type: 'null' }, { const: 'a' }, { const: { a: 1 } }, true, true, false, {}]);
    if (roll === 6) return { type: [...new Set([this.pick(['string', 'null']), this.pick(['number', 'integer', 'object', 'boolean'])])] };
    if (roll < 10) return this.objectSchema(depth - 1);
    if (roll < 12) return this.arraySchema(depth - 1);
    if (roll === 12) return { $ref: this.pick(['#/$defs/d', '#/$defs/e']) };
    if (roll === 13) return { [this.pick(['anyOf', 'oneOf', 'anyOf'])]: [this.any(depth - 1), this.any(depth - 1)] };
    if (roll === 14) return { allOf: [this.any(depth - 1), this.any(depth - 1)] };
    return this.pick<() => Json>([() => ({ not: this.any(depth - 1) }), () => Object.fromEntries(['if', 'then', ...(this.chance(0.5) ? ['else'] : [])].map((name) => [name, this.any(depth - 1)]))])();
  }

  private objectSchema(depth: number): Json {
    const names = NAMES.filter(() => this.chance(0.5));
    return {
      type: 'object', properties: Object.fromEntries(names.map((name) => [name, this.any(depth)])),
      ...this.maybe(0.4, () => ({ required: NAMES.filter(() => this.chance(0.3)) })), ...this.maybe(0.5, () => ({ additionalProperties: this.chance(0.6) ? false : this.any(depth - 1) })),
      ...this.maybe(0.15, () => ({ patternProperties: { [this.pick(['^x-', 'a'])]: this.any(depth - 1) } })), ...this.maybe(0.1, () => ({ maxProperties: this.int(4) })), ...this.maybe(0.1, () => ({ minProperties: this.int(3) })),
      ...this.maybe(0.08, () => ({ dependentRequired: { [this.pick(NAMES)]: [this.pick(NAMES)] } })), ...this.maybe(0.08, () => ({ dependentSchemas: { [this.pick(NAMES)]: { required: [this.pick(NAMES)] } } })),
      ...this.maybe(0.06, () => ({ propertyNames: { maxLength: this.pick([1, 3, 20]) } })), ...this.maybe(0.05, () => ({ unevaluatedProperties: false })),
    };
  }

  private arraySchema(depth: number): Json {
    return {
      type: 'array', ...this.maybe(0.7, () => ({ items: this.any(depth) })), ...this.maybe(0.3, () => ({ prefixItems: [this.any(depth), this.any(depth)].slice(0, 1 + this.int(2)) })),
      ...this.maybe(0.3, () => ({ minItems: this.int(3) })), ...this.maybe(0.3, () => ({ maxItems: this.int(4) })), ...this.maybe(0.2, () => ({ uniqueItems: true })),
      ...this.maybe(0.15, () => ({ contains: this.any(depth), ...this.maybe(0.5, () => ({ minContains: this.int(3) })), ...this.maybe(0.3, () => ({ maxContains: 1 + this.int(2) })) })),
    };
  }

  /** Goes down by chance and changes something there: mostly something small. */
  private change(value: unknown): unknown {
    if (typeof value !== 'object' || value === null) return value;
    const keys = Object.keys(value);
    const copy: Json | unknown[] = Array.isArray(value) ? [...value] : { ...(value as Json) };
    const fields = copy as Json;
    if (keys.length > 0 && this.chance(0.6)) {
      const key = this.pick(keys);
      const part = fields[key];
      const numbers = typeof part === 'number' && !['multipleOf', 'const'].includes(key);
      fields[key] = numbers ? (/Length|Items|Contains|Properties/.test(key) ? Math.max(0, part + this.pick([-1, 1])) : part + this.pick([-1, 1, 0.5])) : typeof part === 'object' ? this.change(part) : part;
      return copy;
    }
    if (Array.isArray(value)) return value.length > 1 && this.chance(0.5) ? value.slice(1) : value;
    return this.pick<() => Json>([
      () => Object.fromEntries(Object.entries(fields).filter(([key]) => key === '$defs' || key === 'type' || !this.chance(0.3))),
      () => Object.fromEntries(Object.entries(fields).filter(([key]) => key === '$defs' || !this.chance(0.2))),
      () => ({ ...fields, ...(fields.type === 'object' ? this.objectSchema(1) : {}), ...(fields.properties ? { properties: fields.properties } : {}) }),
      () => ('type' in fields && typeof fields.type === 'string' ? { ...fields, type: fields.type === 'integer' ? 'number' : [fields.type, 'null'] } : fields),
      () => ('enum' in fields && Array.isArray(fields.enum) ? { ...fields, enum: [...new Set([...(fields.enum as unknown[]), this.pick(TEXTS)])] } : fields),
      () => ('additionalProperties' in fields ? { ...fields, additionalProperties: this.any(1) } : fields),
      () => ('type' in fields && !('$defs' in fields) ? { anyOf: [fields, this.any(1)] } : fields),
      () => ('type' in fields && !('$defs' in fields) ? { allOf: [fields] } : fields),
    ])();
  }

  private fit(schema: unknown, root: Json, depth: number): unknown {
    if (depth < 0 || typeof schema !== 'object' || schema === null || this.chance(0.04)) return this.pick<unknown>([null, true, false, ...NUMBERS, ...TEXTS, [], {}, [1], ['a', 'a'], { a: 1 }, { a: 'a', b: 'ab' }, { 'x-c': 'a' }]);
    const fields = schema as Json;
    if ('const' in fields) return fields.const;
    if (Array.isArray(fields.enum)) return this.pick(fields.enum as unknown[]);
    if (typeof fields.$ref === 'string') return this.fit(valueAt(root, fields.$ref.slice(1)), root, depth - 1);
    for (const keyword of ['anyOf', 'oneOf', 'allOf']) {
      if (!Array.isArray(fields[keyword])) continue;
      const made = this.fit(this.pick(fields[keyword] as unknown[]), root, depth - 1);
      const own = this.chance(0.5) && fields.type === 'object' ? this.fit({ ...fields, [keyword]: undefined }, root, depth - 1) : {};
      return typeof made === 'object' && made !== null && !Array.isArray(made) ? { ...made, ...(own as object) } : made;
    }
    if (fields.if !== undefined) return this.fit(this.chance(0.5) ? fields.then : fields.else, root, depth - 1);
    const type: unknown = Array.isArray(fields.type) ? this.pick(fields.type as unknown[]) : (fields.type ?? this.pick(['object', 'string', 'number', 'array']));
    if (type === 'object') {
      const properties = (fields.properties ?? {}) as Json;
      const required = (fields.required ?? []) as string[];
      const names = NAMES.filter((name) => required.includes(name) || this.chance(Object.hasOwn(properties, name) ? 0.5 : 0.12));
      const others = fields.patternProperties ? Object.values(fields.patternProperties)[0] : fields.additionalProperties;
      return Object.fromEntries(names.map((name) => [name, this.fit(Object.hasOwn(properties, name) ? properties[name] : others, root, depth - 1)]));
    }
    if (type === 'array') return Array.from({ length: this.int(4) }, (_, index) => this.fit((fields.prefixItems as unknown[] | undefined)?.[index] ?? (this.chance(0.2) ? fields.contains : fields.items), root, depth - 1));
    if (type === 'string') return this.pick(TEXTS);
    return type === 'null' ? null : type === 'boolean' ? this.chance(0.5) : this.pick(NUMBERS.filter((each) => type !== 'integer' || Number.isInteger(each)));
  }
}
