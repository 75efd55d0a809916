import { isUtf8 } from 'node:buffer';
import { findJsonFault, isObject } from '../../platform/index.js';

/** A body as the log stores it. */
export interface Document {
  /** The parsed body, whatever is in it; undefined where it is not JSON. */
  json: unknown;
  /** JSON text of an object: the body as received, where that is one that can be stored. */
  data: string;
  /** The body and its type, where `data` is something else. */
  body?: Buffer;
  contentType?: string;
}

/** Larger forms are kept as bytes only: a form may grow sixfold when it becomes JSON. */
const MAX_FORM_BYTES = 1024 * 1024;
const FORM = /^application\/x-www-form-urlencoded\s*(;|$)/i;
const MAY_BE_JSON = /json|^$/i;

/**
 * Reads what came in. A JSON object is stored as it stands; other JSON as `{"body": …}`; a form as an object of its fields; and
 * of anything else the data says only its type, its length and, where it claims to be JSON, why it is none. Whenever `data` is
 * not the very bytes that came, they are kept beside it.
 */
export function readDocument(body: Buffer, contentType = ''): Document {
  const kept = { body, contentType: contentType.slice(0, 255) };
  const text = isUtf8(body) ? body.toString('utf8') : undefined;
  const parsed = text === undefined ? 'is not valid UTF-8' : parse(text.startsWith('\uFEFF') ? text.slice(1) : text);
  if (typeof parsed === 'string') {
    const fields = text !== undefined && FORM.test(contentType) && body.length <= MAX_FORM_BYTES ? fieldsOf(text) : undefined;
    return { json: undefined, data: fields ?? describe(kept, MAY_BE_JSON.test(contentType) ? parsed : undefined), ...kept };
  }
  const { json, source } = parsed;
  const fault = findJsonFault(source);
  if (fault) return { json, data: describe(kept, fault.detail), ...kept };
  if (!isObject(json)) return { json, data: `{"body":${source}}`, ...kept };
  return source === text ? { json, data: source } : { json, data: source, ...kept };
}

function parse(source: string): { json: unknown; source: string } | string {
  try {
    return { json: JSON.parse(source), source };
  } catch {
    return source === '' ? 'is empty' : 'is not JSON';
  }
}

/** The fields of a form as JSON text; a name given several times has an array. Undefined where they cannot be stored. */
function fieldsOf(text: string): string | undefined {
  const fields = new Map<string, string | string[]>();
  for (const [name, value] of new URLSearchParams(text)) {
    const given = fields.get(name);
    if (Array.isArray(given)) given.push(value);
    else fields.set(name, given === undefined ? value : [given, value]);
  }
  const data = JSON.stringify(Object.fromEntries(fields));
  return findJsonFault(data) ? undefined : data;
}

function describe({ body, contentType }: { body: Buffer; contentType: string }, fault: string | undefined): string {
  return JSON.stringify({ content_type: contentType || null, byte_count: body.length, ...(fault && { parse_error: fault }) });
}
