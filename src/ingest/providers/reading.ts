import { hash } from 'node:crypto';
import { elementsOf, isObject, membersOf, readTime } from '../../platform/index.js';
import { eventTypeOf } from './event-type.js';
import type { Identified, ObjectNotice } from './provider.js';

/** Of a request that holds more, the body is kept as one event. */
const MAX_EVENTS = 1_000;
const MOST = 255;
const MAX_CORRELATIONS = 16;
const YEAR_9999_END_MS = 253_402_300_799_999;

/** What a provider found, as it stood in the request. */
interface Found {
  id?: unknown;
  type?: unknown;
  /** Stands in where the request names no type. */
  otherwise: string;
  /** As {@link timeOf} reads it. */
  time?: unknown;
  subject?: unknown;
  correlations?: unknown[];
  data?: string;
  object?: ObjectNotice;
}

/** What names lead to in parsed JSON. Only an object's own members count: `constructor` and `__proto__` are names like any other. */
export function at(value: unknown, ...names: string[]): unknown {
  let found = value;
  for (const name of names) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, name)) return undefined;
    found = (found as Record<string, unknown>)[name];
  }
  return found;
}

/** The event that was found, made fit to be stored. */
export function eventOf({ id, type, otherwise, time, subject, correlations = [], data, object }: Found): Identified {
  return {
    providerEventId: idOf(id),
    type: (typeof type === 'string' ? eventTypeOf(type) : undefined) ?? otherwise,
    occurredAt: timeOf(time),
    subject: subjectOf(subject),
    correlationIds: idsOf(correlations),
    data, object,
  };
}

/** Epoch milliseconds of a time in epoch seconds, epoch milliseconds or RFC 3339. */
export function timeOf(value: unknown): number | undefined {
  const number = typeof value === 'string' && /^\d{1,14}$/.test(value) ? Number(value) : value;
  if (typeof number !== 'number') return readTime(number);
  // As seconds this is the year 5138, as milliseconds 1973.
  const ms = Math.round(number >= 1e11 ? number : number * 1000);
  return ms >= 0 && ms <= YEAR_9999_END_MS ? ms : undefined;
}

/** An id that can be stored and compared. One that is too long, or that Postgres cannot store, goes by its digest, so that two never become one. */
export function idOf(value: unknown): string | undefined {
  // A number beyond 2^53 has lost its last digits: it is not what was sent.
  const text = Number.isSafeInteger(value) ? String(value) : value;
  if (typeof text !== 'string' || text === '') return undefined;
  return text.length <= MOST && isStorable(text) ? text : `sha256:${hash('sha256', Buffer.from(text, 'utf16le'), 'hex')}`;
}

/** Each once, in their order. */
function idsOf(values: unknown[]): string[] {
  const ids: string[] = [];
  for (const value of values) {
    const id = value === undefined ? undefined : idOf(value);
    if (id !== undefined && ids.length < MAX_CORRELATIONS && !ids.includes(id)) ids.push(id);
  }
  return ids;
}

/** Whether Postgres can store a text. */
export function isStorable(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0');
}

function subjectOf(value: unknown): string | undefined {
  const text = Number.isSafeInteger(value) ? String(value) : value;
  return typeof text === 'string' && text !== '' ? text.slice(0, MOST).toWellFormed().replaceAll('\0', '\uFFFD') : undefined;
}

/** A text that may be JSON. */
export function jsonOf(text: unknown): unknown {
  if (typeof text !== 'string') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Whether the elements can be stored as an event each. */
export function isListOfObjects(value: unknown): value is Record<string, unknown>[] {
  return Array.isArray(value) && value.length <= MAX_EVENTS && value.every(isObject);
}

/** The text of a body that has been parsed as JSON, without the mark that may stand before it. */
export function textOfBody(body: Buffer): string {
  return body.toString().replace(/^\uFEFF/, '');
}

/** The texts of the elements of a JSON array, as they were sent. */
export function elementTexts(array: string): string[] {
  return elementsOf(array, 0).map(({ start, end }) => array.slice(start, end));
}

/** The text of a member of a JSON object. */
export function memberText(object: string, name: string): string {
  const { start, end } = membersOf(object).get(name)!;
  return object.slice(start, end);
}
