import { _, type ErrorObject, type ValidateFunction } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { RE2JS } from 're2js';
import { type Expression, type Fault, isObject, pointerTo, readExpression } from '../../platform/index.js';
import { AJV_FORMATS } from './formats.js';
import { APPLICATORS, BY_NAME, pointerOfRef, type Schema } from './walk.js';

/** Faults that one answer names. */
const MAX_FAULTS = 20;
/** What a check may cost: a unit is one schema asked about one value, about 0.1 µs. Enough for the largest body and a schema of ordinary size. */
const BUDGET = 1_000_000;
/** The same where every fault is looked for: each of them costs memory. */
const BUDGET_OF_ALL = 20_000;

const METER = 'lakehook-meter';
const KEPT = new Set([
  ...APPLICATORS, '$ref', 'type', 'enum', 'const', 'multipleOf', 'maximum', 'exclusiveMaximum', 'minimum', 'exclusiveMinimum', 'maxLength', 'minLength', 'pattern', 'format',
  'maxItems', 'minItems', 'uniqueItems', 'maxContains', 'minContains', 'maxProperties', 'minProperties', 'required', 'dependentRequired',
]);

export class OutOfBudget extends Error {}

/** What several checks together may still cost. */
export interface Purse {
  left: number;
}

/** A schema made ready to be held against values. */
export interface CompiledSchema {
  /** Compiles it now; throws where that cannot be. */
  prepare(): void;
  /** What is wrong with a value, at most {@link MAX_FAULTS} places; none when it is valid. Details tell what the schema wants, never what the value holds. */
  faultsOf(value: unknown): Fault[];
  /** Whether a value is valid for the schema at a pointer into this one, at the cost of a purse; an empty one is an {@link OutOfBudget}. */
  accepts(pointer: string, value: unknown, purse: Purse): boolean;
}

/** How expressions in schemas are read: as JavaScript writes them, as far as RE2 has them. */
export function expressionOf(pattern: string): ReturnType<typeof readExpression> {
  return readExpression(RE2JS.translateRegExp(pattern));
}

/** A schema that `findSchemaFaults` has let pass, to be compiled when it is first asked: that takes milliseconds, up to 150 for the largest. */
export function compileSchema(schema: Schema): CompiledSchema {
  const armed = arm(schema);
  const quick = new Compilation(armed, false);
  let thorough: Compilation | undefined;
  return {
    prepare: () => void quick.validator(''),
    faultsOf: (value) => {
      const first = quick.errorsOf('', value, BUDGET);
      if (first === undefined) return [];
      if (first === 'costly') return [{ pointer: '', detail: 'takes too long to be checked against the schema of its type' }];
      thorough ??= new Compilation(armed, true);
      const all = thorough.errorsOf('', value, BUDGET_OF_ALL);
      return faultsOf(all === undefined || all === 'costly' ? first : all);
    },
    accepts: (pointer, value, purse) => {
      const errors = quick.errorsOf(pointer, value, purse.left);
      purse.left = quick.left;
      if (errors === 'costly') throw new OutOfBudget();
      return errors === undefined;
    },
  };
}

/** One ajv instance for one schema, with a meter that bounds what a check costs. */
class Compilation {
  private readonly ajv: Ajv2020;
  private readonly validators = new Map<string, ValidateFunction>();
  /** Of the budget of the last check. */
  left = 0;

  constructor(armed: Schema, allErrors: boolean) {
    this.ajv = new Ajv2020({
      // Strictness is ours (`read-schema.ts`), which names the place. Inlined, a schema that is referred to often would be compiled as often.
      strict: false, meta: false, validateSchema: false, inlineRefs: false, logger: false, allErrors, ownProperties: true,
      // 19.99 is a multiple of 0.01.
      multipleOfPrecision: 9,
      formats: AJV_FORMATS,
      code: { regExp: Object.assign((pattern: string) => this.expression(pattern) as never, { code: 'new RegExp' }) },
    });
    const spend = (units: number, value: unknown): void => this.spend(units < 0 && typeof value === 'string' ? (value.length >>> 4) - units : Math.abs(units));
    this.ajv.addKeyword({ keyword: METER, code: (cxt) => cxt.gen.code(_`${cxt.gen.scopeValue('func', { ref: spend })}(${cxt.schema as number}, ${cxt.data})`) });
    // Ajv would ask it last. What fails further inside would then never be paid for, and that may be 2^60 schemas.
    const untyped = this.ajv.RULES.rules.find(({ type }) => !type)!;
    this.ajv.RULES.rules.unshift({ rules: [untyped.rules.pop()!] });
    // Ajv's own compares every two elements.
    this.ajv.removeKeyword('uniqueItems');
    this.ajv.addKeyword({ keyword: 'uniqueItems', type: 'array', schemaType: 'boolean', validate: (wanted: boolean, list: unknown[]) => !wanted || this.isUnique(list), error: { message: 'must not hold the same element twice' } });
    this.ajv.addSchema(armed, 'schema');
  }

  validator(pointer: string): ValidateFunction {
    let validator = this.validators.get(pointer);
    if (!validator) this.validators.set(pointer, (validator = this.ajv.getSchema(`schema#${pointer.split('/').map(encodeURIComponent).join('/')}`)!));
    return validator;
  }

  errorsOf(pointer: string, value: unknown, budget: number): ErrorObject[] | 'costly' | undefined {
    this.left = budget;
    const validate = this.validator(pointer);
    try {
      return validate(value) ? undefined : validate.errors!;
    } catch (error) {
      // Nested too deeply for the stack is too costly as well.
      if (error instanceof OutOfBudget || error instanceof RangeError) return 'costly';
      throw error;
    }
  }

  private spend(units: number): void {
    this.left -= units;
    if (this.left < 0) throw new OutOfBudget();
  }

  private expression(pattern: string): { test(text: string): boolean; toString(): string } {
    const expression = expressionOf(pattern) as Expression;
    return {
      test: (text) => {
        this.spend(1 + Math.ceil((text.length * expression.size) / 10));
        return expression.test(text);
      },
      // What ajv tells expressions apart by.
      toString: () => pattern,
    };
  }

  private isUnique(list: unknown[]): boolean {
    const seen = new Set<string>();
    return list.every((element) => {
      const text = canonical(element);
      this.spend(1 + (text.length >>> 4));
      return !seen.has(text) && seen.add(text);
    });
  }
}

/** JSON with sorted names, so that equal values are equal texts. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_name, part: unknown) => (isObject(part) ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1))) : part));
}

/** A copy with what decides, and a meter in each schema. */
function arm(schema: Schema): Schema {
  if (typeof schema === 'boolean') return schema;
  const kept = Object.entries(schema).filter(([keyword]) => KEPT.has(keyword));
  const weight = 1 + (JSON.stringify([schema.enum, schema.const]).length >> 5) + (JSON.stringify([schema.required, Object.keys(schema.properties ?? {})]).length >> 6);
  const readsText = ['minLength', 'maxLength', 'format'].some((keyword) => Object.hasOwn(schema, keyword));
  return {
    ...Object.fromEntries(kept.map(([keyword, value]) => [keyword, keyword === '$ref' ? refTo(value as string) : APPLICATORS.has(keyword) ? armPart(keyword, value) : value])),
    // Below zero: what it costs grows with the text.
    [METER]: readsText ? -weight : weight,
  };
}

function armPart(keyword: string, value: unknown): unknown {
  if (Array.isArray(value)) return value.map((part) => arm(part as Schema));
  if (!BY_NAME.has(keyword)) return arm(value as Schema);
  return Object.fromEntries(Object.entries(value as Record<string, Schema>).map(([name, part]) => [name, arm(part)]));
}

/** In one spelling. */
function refTo(ref: string): string {
  return `#${pointerOfRef(ref)!.split('/').map(encodeURIComponent).join('/')}`;
}

function faultsOf(errors: ErrorObject[]): Fault[] {
  const faults = new Map<string, Fault>();
  for (const error of errors) {
    const fault = faultOf(error);
    if (faults.size < MAX_FAULTS) faults.set(fault.pointer + fault.detail, fault);
  }
  return [...faults.values()];
}

function faultOf({ instancePath, keyword, params, message, propertyName }: ErrorObject): Fault {
  const at = (name: unknown): string => pointerTo(instancePath, String(name));
  switch (keyword) {
    case 'required':
    case 'dependentRequired':
      return { pointer: at(params.missingProperty), detail: keyword === 'required' ? 'is missing' : `is missing, and must be given beside ${String(params.property)}` };
    case 'additionalProperties':
    case 'unevaluatedProperties':
      return { pointer: at(params.additionalProperty ?? params.unevaluatedProperty), detail: 'is not known to the schema' };
    case 'enum':
      return { pointer: instancePath, detail: `must be one of ${shorten((params.allowedValues as unknown[]).map((value) => JSON.stringify(value)).join(', '))}` };
    case 'const':
      return { pointer: instancePath, detail: `must be ${shorten(JSON.stringify(params.allowedValue))}` };
    case 'propertyNames':
      return { pointer: at(params.propertyName), detail: 'has a name that the schema does not allow' };
    case 'false schema':
      return { pointer: instancePath, detail: 'is not allowed by the schema' };
    default:
      return { pointer: propertyName === undefined ? instancePath : at(propertyName), detail: propertyName === undefined ? shorten(message!) : `has a name that ${shorten(message!)}` };
  }
}

function shorten(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
