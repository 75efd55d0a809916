import { createHash } from 'node:crypto';
import { BUILT_IN, severityOf, type Sketch } from './built-ins.js';
import type { Message } from './message.js';
import { Published } from './published.js';

export type Severity = 'critical' | 'error' | 'warning' | 'info' | 'success';

/** What an event has to say to people, whatever the chat. Every text is one printable line, and none is empty but `text`. */
export interface Notice {
  title: string;
  text: string;
  severity: Severity;
  facts: { name: string; value: string }[];
  link?: string;
  /** The same for the beginning and the end of one trouble, at most 255 characters. */
  key: string;
  /** The trouble is over. */
  resolved: boolean;
  eventId: string;
  eventType: string;
  occurredAt: string;
}

/** Fewer than any chat allows: a notice is to be taken in at a glance. */
const MAX_FACTS = 10;
/** Browsers and chats cut or refuse longer addresses. */
const MAX_LINK = 2_000;

/** The colour of each severity, for what has a coloured edge. */
export const COLOURS: Record<Severity, string> = { critical: '#b42318', error: '#d92d20', warning: '#f79009', info: '#2e90fa', success: '#12b76a' };

/** The notice of a message: by its type where that is built in, otherwise from what stands at the top of its data. */
export function noticeOf(message: Message, linkUrl?: string): Notice {
  const { event_id: eventId, event_type: eventType, occurred_at } = message;
  const data = Published.of(message.data);
  const sketch = Object.hasOwn(BUILT_IN, eventType) ? BUILT_IN[eventType]!(data) : genericSketch(eventType, data);
  const { about: [family, ...keys], severity } = sketch;
  const resolved = severity === 'success' || data.isTrue('resolved') || /^(resolved|recovered)$/i.test(data.text('status') ?? '') || /[._](resolved|recovered)$/.test(eventType);
  return {
    title: resolved && severity !== 'success' ? `Resolved: ${sketch.title}` : sketch.title,
    text: sketch.text ?? '',
    severity: resolved ? 'success' : severity,
    facts: sketch.facts.flatMap(([name, value]) => (value === undefined ? [] : [{ name, value }])).slice(0, MAX_FACTS),
    link: linkOf(message, linkUrl),
    key: shortKey(data.text('dedup_key') ?? (keys.includes(undefined) ? eventId : [family, ...keys].join(':'))),
    resolved, eventId, eventType, occurredAt: occurred_at.toISOString(),
  };
}

const SENTENCES = ['message', 'summary', 'title', 'description'];

function genericSketch(eventType: string, data: Published): Sketch {
  const sentence = SENTENCES.find((name) => data.text(name) !== undefined);
  return {
    title: eventType,
    text: sentence && data.text(sentence),
    severity: severityOf(data) ?? (/[._](failed|error)$/.test(eventType) ? 'error' : 'info'),
    facts: data.scalars(MAX_FACTS + 1).filter(([name]) => name !== sentence),
    about: [eventType, undefined],
  };
}

function linkOf({ event_id, event_type }: Message, linkUrl?: string): string | undefined {
  const link = linkUrl?.replaceAll('{event_id}', () => encodeURIComponent(event_id)).replaceAll('{event_type}', () => encodeURIComponent(event_type));
  return link && link.length <= MAX_LINK ? link : undefined;
}

function shortKey(key: string): string {
  return key.length <= 255 ? key : createHash('sha256').update(key).digest('hex');
}
