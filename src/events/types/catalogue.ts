import type { Fault } from '../../platform/index.js';
import { type CompiledSchema, compileSchema } from '../schemas/compile.js';
import type { Schema } from '../schemas/walk.js';
import { BUILT_INS } from './built-ins.js';
import { masked } from './sensitive.js';

/** Schemas that stay compiled in a process, of all tenants: each may hold 2 MB. */
const MAX_COMPILED = 300;
/** Those that are, the one asked last at the end. */
const compiledOnes = new Set<KeptSchema>();

/** A version's schema, compiled when it is asked, and kept so unless {@link MAX_COMPILED} others have been asked since. */
export class KeptSchema {
  private compiled: CompiledSchema | undefined;

  constructor(readonly version: number, private readonly text: string) {}

  faultsOf(data: unknown): Fault[] {
    this.compiled ??= compileSchema(JSON.parse(this.text) as Schema);
    compiledOnes.delete(this);
    compiledOnes.add(this);
    if (compiledOnes.size > MAX_COMPILED) KeptSchema.drop(compiledOnes.values().next().value!);
    return this.compiled.faultsOf(data);
  }

  get isCompiled(): boolean {
    return this.compiled !== undefined;
  }

  private static drop(schema: KeptSchema): void {
    schema.compiled = undefined;
    compiledOnes.delete(schema);
  }
}

/** A type as publishing and showing need it. */
export interface KeptType {
  sensitive: string[];
  archived: boolean;
  schema?: KeptSchema;
}

/** The event types of one tenant, as they were at a revision. */
export class Catalogue {
  constructor(readonly revision: bigint, readonly types: ReadonlyMap<string, KeptType>, private readonly strict: boolean) {}

  /**
   * What keeps an event from being taken: a `data` that its type's schema refuses, or (where that is asked for) a type that is
   * not registered. Pointers lead into the event. `data` is parsed.
   */
  faultsOf(eventType: string, data: unknown): Fault[] {
    const type = this.types.get(eventType);
    if (!type || type.archived) {
      return this.strict && !BUILT_INS.has(eventType) ? [{ pointer: '/event_type', detail: 'is not registered, and only registered types are taken here (STRICT_EVENT_TYPES)' }] : [];
    }
    return type.schema ? type.schema.faultsOf(data).map(({ pointer, detail }) => ({ pointer: `/data${pointer}`, detail })) : [];
  }

  /** Whether there is anything to hold events against at all. */
  get isIdle(): boolean {
    return this.types.size === 0 && !this.strict;
  }

  /** Whether events of a type hold what not everybody may see. */
  isSensitive(eventType: string): boolean {
    return (this.types.get(eventType)?.sensitive.length ?? 0) > 0;
  }

  /** Whether events of any type do. */
  get holdsSensitive(): boolean {
    return [...this.types.values()].some(({ sensitive }) => sensitive.length > 0);
  }

  /** The text of an event's `data`, with what is sensitive masked. */
  mask(eventType: string, data: string): string {
    return this.isSensitive(eventType) ? masked(data, this.types.get(eventType)!.sensitive) : data;
  }

  /** The sensitive paths of a type. */
  pathsOf(eventType: string): string[] {
    return this.types.get(eventType)?.sensitive ?? [];
  }
}
