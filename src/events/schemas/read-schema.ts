import { Ajv2020 } from 'ajv/dist/2020.js';
import { type Fault, isObject, pointerTo } from '../../platform/index.js';
import { compileSchema, expressionOf } from './compile.js';
import { FORMATS } from './formats.js';
import { APPLICATORS, childrenOf, pointerOfRef, type Schema } from './walk.js';

const MAX_TEXT = 64 * 1024;
const MAX_DEPTH = 32;
/** Compiling takes about 0.5 ms each, in which this process does nothing else. */
const MAX_SCHEMAS = 300;
/** Making one ready can take 50 ms. */
const MAX_PATTERNS = 50;
const MAX_FAULTS = 20;

const DIALECT = 'https://json-schema.org/draft/2020-12/schema';
const ASSERTIONS = [
  '$ref', 'type', 'enum', 'const', 'multipleOf', 'maximum', 'exclusiveMaximum', 'minimum', 'exclusiveMinimum', 'maxLength', 'minLength', 'pattern', 'format',
  'maxItems', 'minItems', 'uniqueItems', 'maxContains', 'minContains', 'maxProperties', 'minProperties', 'required', 'dependentRequired',
];
/** Say something to people, and nothing to us. */
const ANNOTATIONS = ['title', 'description', '$comment', 'default', 'examples', 'deprecated', 'readOnly', 'writeOnly', 'contentMediaType', 'contentEncoding'];
const KEYWORDS: ReadonlySet<string> = new Set([...APPLICATORS, ...ASSERTIONS, ...ANNOTATIONS]);
const AT_ROOT = new Set(['$schema', '$id']);
const INSTEAD: Record<string, string> = {
  $anchor: 'is not taken; refer by `#/$defs/…`', $dynamicRef: 'is not taken; refer by `#/$defs/…`', $dynamicAnchor: 'is not taken; refer by `#/$defs/…`',
  $id: 'is only taken at the root of the schema', $schema: 'is only taken at the root of the schema', nullable: 'is not a keyword of JSON Schema; list "null" in `type`', additionalItems: 'has become `items` beside `prefixItems`',
  dependencies: 'has become `dependentRequired` and `dependentSchemas`',
};

let meta: Ajv2020 | undefined;

/** What is wrong with a schema that somebody wants to register; pointers start with `pointer`. Afterwards it compiles, and its cost is bounded. */
export function findSchemaFaults(schema: unknown, pointer = '/schema'): Fault[] {
  if (!isObject(schema)) return [{ pointer, detail: 'must be a JSON Schema: an object' }];
  if (JSON.stringify(schema).length > MAX_TEXT) return [{ pointer, detail: `must be at most ${MAX_TEXT} characters of JSON` }];
  // Before anything that recurses.
  const reading = new Reading(schema);
  const faults = [...reading.faults, ...(reading.isWithinBounds ? [...findShapeFaults(schema), ...reading.findRefFaults()] : [])];
  if (faults.length === 0) {
    try {
      compileSchema(schema).prepare();
    } catch (error) {
      faults.push({ pointer: '', detail: `cannot be compiled: ${(error as Error).message}` });
    }
  }
  return firstOfEach(faults).map((fault) => ({ ...fault, pointer: pointer + fault.pointer }));
}

/** What the definition of JSON Schema itself says. */
function findShapeFaults(schema: object): Fault[] {
  meta ??= new Ajv2020({ strict: false, allErrors: true, logger: false });
  if (meta.validateSchema({ ...schema, $schema: DIALECT })) return [];
  return meta.errors!.map(({ instancePath, message, params }) => ({ pointer: instancePath, detail: message + (params.allowedValues ? `: ${(params.allowedValues as unknown[]).join(', ')}` : '') }));
}

function firstOfEach(faults: Fault[]): Fault[] {
  return [...new Map(faults.toReversed().map((fault) => [fault.pointer, fault])).values()].toReversed().slice(0, MAX_FAULTS);
}

/** One pass over all schemas in a schema. */
class Reading {
  readonly faults: Fault[] = [];
  isWithinBounds = true;
  private readonly places = new Map<string, Schema>();
  private readonly refs: { from: string; at: string; to: string }[] = [];
  private patterns = 0;
  private isCostly = false;

  constructor(private readonly root: Record<string, unknown>) {
    this.visit(root, '', 1);
  }

  /** Refs that lead nowhere, and schemas that contain themselves without going down into the value: they would never end. */
  findRefFaults(): Fault[] {
    const lost = this.refs.filter(({ to }) => !this.places.has(to));
    if (lost.length > 0) return lost.map(({ at }) => ({ pointer: at, detail: 'leads to no schema in this document' }));
    const ended = new Set<string>();
    const under = new Set<string>();
    const findCircle = (place: string): Fault | undefined => {
      if (ended.has(place)) return undefined;
      if (under.has(place)) return { pointer: place, detail: 'refers to itself without going into a property or an element, so it would never end' };
      under.add(place);
      const schema = this.places.get(place)!;
      const next = typeof schema === 'boolean' ? [] : [...childrenOf(schema, place).filter(({ inPlace }) => inPlace).map(({ pointer }) => pointer), ...this.refs.filter(({ from }) => from === place).map(({ to }) => to)];
      for (const each of next) {
        const circle = findCircle(each);
        if (circle) return circle;
      }
      under.delete(place);
      ended.add(place);
      return undefined;
    };
    for (const place of this.places.keys()) {
      const circle = findCircle(place);
      if (circle) return [circle];
    }
    return [];
  }

  private visit(schema: Schema, pointer: string, depth: number): void {
    if (!this.isWithinBounds) return;
    if (depth > MAX_DEPTH) return this.refuse(pointer, `is nested more than ${MAX_DEPTH} schemas deep`);
    if (this.places.size >= MAX_SCHEMAS) return this.refuse(pointer, `is one schema too many: at most ${MAX_SCHEMAS} may stand in one`);
    this.places.set(pointer, schema);
    if (typeof schema === 'boolean') return;
    for (const keyword of Object.keys(schema)) {
      if (KEYWORDS.has(keyword) || (pointer === '' && AT_ROOT.has(keyword)) || keyword.startsWith('x-')) continue;
      this.fault(pointerTo(pointer, keyword), (Object.hasOwn(INSTEAD, keyword) && INSTEAD[keyword]) || 'is not a keyword of JSON Schema 2020-12');
    }
    const { $ref, $schema, format, pattern, patternProperties } = schema;
    if (pointer === '' && $schema !== undefined && $schema !== DIALECT) this.fault('/$schema', `must be ${DIALECT}`);
    if (typeof format === 'string' && !FORMATS.has(format)) this.fault(`${pointer}/format`, `is not a format known here; there are ${[...FORMATS].join(', ')}`);
    if (typeof pattern === 'string') this.pattern(pattern, `${pointer}/pattern`);
    if (isObject(patternProperties)) for (const name of Object.keys(patternProperties)) this.pattern(name, pointerTo(`${pointer}/patternProperties`, name));
    if (typeof $ref === 'string') {
      const to = pointerOfRef($ref);
      if (to === undefined) this.fault(`${pointer}/$ref`, 'must lead to a place in this document, such as `#/$defs/address`');
      else this.refs.push({ from: pointer, at: `${pointer}/$ref`, to });
    }
    for (const child of childrenOf(schema, pointer)) this.visit(child.schema, child.pointer, depth + 1);
  }

  private pattern(pattern: string, pointer: string): void {
    if (++this.patterns > MAX_PATTERNS) return this.refuse(pointer, `is one expression too many: a schema holds at most ${MAX_PATTERNS}`);
    if (this.isCostly) return;
    const read = expressionOf(pattern);
    if (!('detail' in read)) return;
    this.fault(pointer, read.detail);
    this.isCostly = read.costly ?? false;
  }

  private refuse(pointer: string, detail: string): void {
    this.isWithinBounds = false;
    this.fault(pointer, detail);
  }

  private fault(pointer: string, detail: string): void {
    this.faults.push({ pointer, detail });
  }
}
