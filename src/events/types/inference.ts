import { Injectable } from '@nestjs/common';
import { type Caller, permits } from '../../auth/index.js';
import { Database, Problem, Turns } from '../../platform/index.js';
import { EVENT_TYPE } from '../publish.js';
import { Sample } from '../schemas/infer.js';
import { Catalogues } from './catalogues.js';
import type { InferredSchema } from './event-types.dto.js';
import { readSample } from './event-types.sql.js';
import { partsOf } from './sensitive.js';

const MAX_BYTES = 16 * 1024 * 1024;

/** Proposes schemas from what is stored. */
@Injectable()
export class Inference {
  constructor(private readonly db: Database, private readonly catalogues: Catalogues) {}

  /** A schema that the newest events of a type meet. Of what is sensitive it tells a caller without that scope only the type. */
  async infer(caller: Caller, name: string, limit: number): Promise<InferredSchema> {
    if (!EVENT_TYPE.test(name)) throw Problem.notFound('event type');
    const hidden = permits(caller.scopes, 'events:read_sensitive') ? [] : (await this.catalogues.of(caller.tenantId)).pathsOf(name);
    const texts = await readSample(this.db.client, caller.tenantId, name, limit, MAX_BYTES);
    const turns = new Turns();
    const sample = new Sample();
    for (const text of texts) {
      sample.add(JSON.parse(text));
      if (turns.isOver) await turns.next();
    }
    const schema = texts.length === 0 ? null : { $schema: 'https://json-schema.org/draft/2020-12/schema', ...sample.schema(hidden.map(partsOf)) };
    return { event_type: name, sampled: texts.length, schema };
  }
}
