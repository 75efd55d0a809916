import { type BatchMember, beginsBatch, type Fault, findJsonFault, isObject, membersOf, parseJson, pointerAt, pointerTo, Problem, readBatch, readTime, type Span } from '../platform/index.js';

/** An event as a publisher sent it, checked, with the exact text of its `data` and `metadata`. */
export interface NewEvent {
  /** Chosen by the publisher; absent, the log gives it a UUID v7. */
  eventId?: string;
  /** The id is not the publisher's but one of ours, made for the recording time of the transaction that appends it. */
  ours?: boolean;
  eventType: string;
  /** Epoch milliseconds; absent, the time of recording. */
  occurredAt?: number;
  data: string;
  metadata: string;
  /** The source it came in through. */
  sourceId?: string;
  /** The bytes it came in as and their type, where `data` is not exactly them. */
  body?: Uint8Array;
  contentType?: string;
}

/** A member of a batch that cannot be stored. */
export interface Refused {
  faults: Fault[];
}

export const MAX_BATCH = 1_000;

/** Shown in headers and matched by prefix, so: visible ASCII without `*`. */
export const EVENT_TYPE = /^[A-Za-z0-9][A-Za-z0-9._:/-]{0,254}$/;
export const EVENT_ID = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,199}$/;
const MEMBERS = new Set(['event_id', 'event_type', 'timestamp', 'data', 'metadata']);

/** What else is wrong with the `data` of an event of a type, by pointer into the event. */
export type Hold = (eventType: string, data: unknown) => Fault[];

/**
 * Reads a publish body, single or batch, from its text. One event or a broken frame is refused whole by throwing; the
 * members of a batch are judged one by one as they are asked for, and what is wrong with one is answered in its place.
 *
 * Without a parsed `body` the members of a batch are also parsed as they are asked for: then a broken frame may show, and throw, as late as that.
 */
export function readPublish(text: string | undefined, body: unknown, hold?: Hold): { batch: boolean; events: Iterable<NewEvent | Refused> } {
  if (text !== undefined && body === undefined && !beginsBatch(text, 'events')) return readPublish(text, parseJson(text), hold);
  if (text === undefined || (body !== undefined && !isObject(body))) throw Problem.invalid({ pointer: '', detail: 'must be a JSON object: one event, or {"events": […]}' });
  if (body === undefined || Object.hasOwn(body, 'events')) return { batch: true, events: readMembers(readBatch(text, body, 'events', MAX_BATCH), hold) };
  const event = readEvent(text, body, hold);
  if ('faults' in event) throw Problem.invalid(...event.faults);
  return { batch: false, events: [event] };
}

function* readMembers(members: Iterable<BatchMember>, hold?: Hold): Generator<NewEvent | Refused> {
  for (const { text, value } of members) yield readEvent(text, value, hold);
}

/** Reads one event from the text of its object. */
export function readEvent(text: string, value: unknown, hold?: Hold): NewEvent | Refused {
  if (!isObject(value)) return { faults: [{ pointer: '', detail: 'must be an object' }] };
  const unstorable = findJsonFault(text);
  if (unstorable) return { faults: [{ pointer: pointerAt(text, unstorable.at), detail: unstorable.detail }] };
  const { event_id, event_type, timestamp, data, metadata } = value;
  const occurredAt = timestamp === undefined ? undefined : readTime(timestamp);
  const faults: Fault[] = [];
  for (const name of Object.keys(value)) {
    if (!MEMBERS.has(name)) faults.push({ pointer: pointerTo('', name), detail: 'is not known here' });
  }
  if (typeof event_type !== 'string' || !EVENT_TYPE.test(event_type)) faults.push({ pointer: '/event_type', detail: 'must be 1 to 255 characters of letters, digits and . _ : / -' });
  if (!isObject(data)) faults.push({ pointer: '/data', detail: 'must be an object' });
  if (metadata !== undefined && !isObject(metadata)) faults.push({ pointer: '/metadata', detail: 'must be an object' });
  if (event_id !== undefined && (typeof event_id !== 'string' || !EVENT_ID.test(event_id))) faults.push({ pointer: '/event_id', detail: 'must be 1 to 200 characters of letters, digits and . _ : -' });
  if (timestamp !== undefined && occurredAt === undefined) faults.push({ pointer: '/timestamp', detail: 'must be an RFC 3339 time with a zone, such as 2026-01-31T12:00:00Z' });
  if (faults.length === 0 && hold) faults.push(...hold(event_type as string, data));
  if (faults.length > 0) return { faults };
  const spans = membersOf(text);
  return {
    eventId: event_id as string | undefined,
    eventType: event_type as string,
    occurredAt,
    data: slice(text, spans.get('data')!),
    metadata: metadata === undefined ? '{}' : slice(text, spans.get('metadata')!),
  };
}

function slice(text: string, { start, end }: Span): string {
  return text.slice(start, end);
}
