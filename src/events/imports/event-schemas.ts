import { type Fault, isObject, pointerTo } from '../../platform/index.js';
import { EVENT_TYPE } from '../publish.js';
import { pointerOfRef, valueAt } from '../schemas/walk.js';
import { bundle, BundleFault } from './bundle.js';

type Json = Record<string, unknown>;

/** An event type as a document describes it. */
export interface DescribedType {
  name: string;
  description: string;
  schema: Json;
  /** Where in the document. */
  pointer: string;
}

interface Place {
  pointer: string;
  value: unknown;
}

/** A schema that is to become one of a type, with what the document calls it. */
interface Candidate extends Place {
  name: unknown;
  description: unknown;
}

type Found = (Candidate | Fault)[];

const MAX_TYPES = 200;

/**
 * The event types of an OpenAPI 3.1 (`webhooks`) or AsyncAPI 2 or 3 document (messages). `chosen` names schemas under
 * `components.schemas` that are to become types as well, each with the name of its type. What cannot be taken is named.
 */
export function findEventSchemas(document: Json, chosen: Record<string, string> = {}): { types: DescribedType[]; refused: Fault[] } {
  const found = [...inDocument(document), ...Object.entries(chosen).map(([schema, name]): Candidate => {
    const pointer = pointerTo('/components/schemas', schema);
    const value = valueAt(document, pointer);
    return { pointer, value, name, description: isObject(value) ? value.description : undefined };
  })];
  const types = new Map<string, DescribedType>();
  const refused: Fault[] = [];
  for (const candidate of found) {
    const read = 'detail' in candidate ? candidate : readCandidate(document, candidate);
    if ('detail' in read) refused.push(read);
    else if (types.size >= MAX_TYPES) refused.push({ pointer: read.pointer, detail: `is one too many: at most ${MAX_TYPES} types are imported at once` });
    else if (!types.has(read.name)) types.set(read.name, read);
    else if (JSON.stringify(types.get(read.name)!.schema) !== JSON.stringify(read.schema)) refused.push({ pointer: read.pointer, detail: `describes ${read.name} another way than ${types.get(read.name)!.pointer}` });
  }
  return { types: [...types.values()], refused };
}

function inDocument(document: Json): Found {
  const { openapi, asyncapi } = document;
  if (typeof openapi === 'string') return openapi.startsWith('3.1') ? inOpenApi(document) : [{ pointer: '/openapi', detail: 'must be 3.1: earlier versions have another schema language' }];
  if (typeof asyncapi === 'string') return /^[23]\./.test(asyncapi) ? inAsyncApi(document) : [{ pointer: '/asyncapi', detail: 'must be 2 or 3' }];
  return [{ pointer: '', detail: 'is neither OpenAPI 3.1 nor AsyncAPI 2 or 3' }];
}

function inOpenApi(document: Json): Found {
  return membersAt(document, { pointer: '/webhooks', value: document.webhooks }).map(([name, place]): Candidate | Fault => {
    const operation = membersAt(document, place).find(([method]) => method === 'post' || method === 'put')?.[1];
    const body = operation && follow(document, within(operation, 'requestBody'));
    const media = body && membersAt(document, within(body, 'content')).find(([type]) => /^application\/([\w.-]+\+)?json\b/.test(type))?.[1];
    if (!media || !isObject(media.value) || media.value.schema === undefined) return { pointer: place.pointer, detail: 'has no JSON request body with a schema' };
    const { summary, description } = operation!.value as Json;
    return { ...within(media, 'schema'), name, description: description ?? summary };
  });
}

function inAsyncApi(document: Json): Found {
  const seen = new Set<string>();
  const found: Found = [];
  const take = (place: Place, key: string): void => {
    const message = follow(document, place);
    if (!message || !isObject(message.value)) return void found.push({ pointer: place.pointer, detail: 'leads to no message' });
    if (seen.has(message.pointer)) return;
    seen.add(message.pointer);
    const { name, messageId, description, summary, title, payload } = message.value;
    // AsyncAPI 3 may wrap a payload together with its language.
    const isWrapped = isObject(payload) && 'schemaFormat' in payload && 'schema' in payload;
    const language: unknown = isWrapped ? payload.schemaFormat : message.value.schemaFormat;
    if (typeof language === 'string' && !/schema\+json|aai\.asyncapi|application\/json/.test(language)) return void found.push({ pointer: message.pointer, detail: `is described in ${language}, which is not read here` });
    if (payload === undefined) return void found.push({ pointer: message.pointer, detail: 'has no payload' });
    const at = within(message, 'payload');
    found.push({ ...(isWrapped ? within(at, 'schema') : at), name: message.value['x-event-type'] ?? name ?? messageId ?? key, description: description ?? summary ?? title });
  };
  for (const [address, channel] of membersAt(document, { pointer: '/channels', value: document.channels })) {
    for (const [key, message] of membersAt(document, within(channel, 'messages'))) take(message, key);
    for (const action of ['publish', 'subscribe']) {
      const message = within(within(channel, action), 'message');
      if (message.value === undefined) continue;
      const several = isObject(message.value) && Array.isArray(message.value.oneOf) ? message.value.oneOf : undefined;
      if (several) for (const index of several.keys()) take(within(within(message, 'oneOf'), String(index)), address);
      else take(message, keyOf(message) ?? address);
    }
  }
  for (const [key, message] of membersAt(document, { pointer: '/components/messages', value: valueAt(document, '/components/messages') })) take(message, key);
  return found;
}

/** What a message that is referred to is called where it stands. */
function keyOf({ value }: Place): string | undefined {
  const pointer = isObject(value) && typeof value.$ref === 'string' ? pointerOfRef(value.$ref) : undefined;
  return pointer?.split('/').at(-1);
}

function readCandidate(document: Json, { pointer, value, name, description }: Candidate): DescribedType | Fault {
  if (typeof name !== 'string' || !EVENT_TYPE.test(name)) return { pointer, detail: `has a name that is no event type: ${JSON.stringify(name)}` };
  if (value === undefined) return { pointer, detail: 'is not there' };
  try {
    return { name, description: typeof description === 'string' ? description.slice(0, 2_000) : '', schema: bundle(document, value), pointer };
  } catch (error) {
    if (!(error instanceof BundleFault)) throw error;
    return { pointer, detail: error.message };
  }
}

function within({ pointer, value }: Place, name: string): Place {
  const inner = typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? (value as Json)[name] : undefined;
  return { pointer: pointerTo(pointer, name), value: inner };
}

/** The members of what a place holds or refers to. */
function membersAt(document: Json, place: Place): [string, Place][] {
  const target = follow(document, place);
  return target && isObject(target.value) ? Object.keys(target.value).map((name) => [name, within(target, name)]) : [];
}

/** Where a chain of refs ends; undefined when it leads out of the document, nowhere, or round. */
function follow(document: Json, place: Place): Place | undefined {
  let at: Place = place;
  for (let steps = 0; steps < 10; steps++) {
    if (at.value === undefined) return undefined;
    if (!isObject(at.value) || typeof at.value.$ref !== 'string') return at;
    const pointer = pointerOfRef(at.value.$ref);
    if (pointer === undefined) return undefined;
    at = { pointer, value: valueAt(document, pointer) };
  }
  return undefined;
}
