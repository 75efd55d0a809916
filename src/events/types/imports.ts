import { Injectable } from '@nestjs/common';
import type { Caller } from '../../auth/index.js';
import { type Fault, Problem, type Tx } from '../../platform/index.js';
import { readDocument } from '../imports/document.js';
import { type DescribedType, findEventSchemas } from '../imports/event-schemas.js';
import { canonical } from '../schemas/compile.js';
import { EventTypes } from './event-types.js';
import type { ImportedType, ImportEventTypes, ImportResult } from './imports.dto.js';

/** Ends the transaction of a dry run, with what it came to. */
class DryRun extends Error {
  constructor(readonly result: ImportResult) {
    super('dry run');
  }
}

/** Registers the event types that a document describes. */
@Injectable()
export class Imports {
  constructor(private readonly types: EventTypes) {}

  /** In one transaction; a dry run does all of it and rolls back. What cannot be taken is named, and does not sink the others. */
  async import(caller: Caller, body: ImportEventTypes): Promise<ImportResult> {
    const document = readDocument(body.document);
    if (typeof document === 'string') throw Problem.invalid({ pointer: '/document', detail: document });
    const found = findEventSchemas(document, body.schemas);
    try {
      return await this.types.change(caller, async (tx) => {
        const data: ImportedType[] = [];
        const refused: Fault[] = [...found.refused];
        for (const type of found.types) {
          const taken = await this.take(tx, caller, type, body);
          if (Array.isArray(taken)) refused.push(...taken);
          else data.push(taken);
        }
        const result = { dry_run: body.dry_run, data, refused };
        if (body.dry_run) throw new DryRun(result);
        return result;
      });
    } catch (error) {
      if (error instanceof DryRun) return error.result;
      throw error;
    }
  }

  private async take(tx: Tx, caller: Caller, { name, description, schema, pointer }: DescribedType, { compatibility }: ImportEventTypes): Promise<ImportedType | Fault[]> {
    try {
      const known = await this.types.peek(tx, caller, name);
      if (!known || known.archivedAt) {
        const made = await this.types.create(tx, caller, { name, description, schema, contains_sensitive: known?.containsSensitive ?? [], compatibility: compatibility ?? 'backward' });
        return { name, action: 'created', version: made.version, pointer };
      }
      const latest = (await this.types.newestActive(tx, caller.tenantId, [name])).get(name);
      if (latest && canonical(latest.schema) === canonical(schema)) return { name, action: 'unchanged', version: latest.version, pointer };
      const { version } = await this.types.addVersion(tx, caller, name, { schema, compatibility });
      return { name, action: 'version_created', version, pointer };
    } catch (error) {
      // Refused before anything was written for it.
      if (!(error instanceof Problem)) throw error;
      const faults = error.extra.errors ?? [{ pointer: '', detail: error.detail }];
      return faults.map((fault) => ({ pointer, detail: `${name}: ${fault.pointer.replace(/^\/schema/, '') && `${fault.pointer.replace(/^\/schema/, '')} `}${fault.detail}` }));
    }
  }
}
