import { defineTopic } from '../platform/index.js';
import type { ObjectNotice } from './providers/provider.js';

/** Objects that a bucket says came or went, as a source was told. */
export interface ObjectsNoticed {
  tenant_id: string;
  source_id: string;
  objects: ObjectNotice[];
}

/** Published in the transaction that appends the events, once per source and batch, for those that are new. */
export const objectNoticed = defineTopic<ObjectsNoticed>('ingest.object-noticed');
