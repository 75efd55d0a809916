import type { Message } from './message.js';
import type { Notice, Severity } from './notice.js';
import { clip } from './text.js';

export interface PagerDutyOptions {
  routing_key?: string;
  severity?: string;
  source?: string;
}

/** An event to PagerDuty may have 512 KB; larger data would also not be read by anybody. */
const MAX_DATA_BYTES = 64 * 1024;

const SEVERITIES: Record<Severity, string> = { critical: 'critical', error: 'error', warning: 'warning', info: 'info', success: 'info' };

/**
 * Events API v2: `trigger`, or `resolve` where the notice says that the trouble is over. `custom_details.data` is the event's
 * data as it was published, or the facts where that is too large.
 */
export function pagerDutyOf(notice: Notice, { data }: Message, { routing_key, severity, source = 'Lakehook' }: PagerDutyOptions): string {
  const { title, text, link, key, resolved, eventId, eventType, occurredAt, facts } = notice;
  const head = { routing_key, event_action: resolved ? 'resolve' : 'trigger', dedup_key: key };
  if (resolved) return JSON.stringify(head);
  const payload = {
    summary: clip(text ? `${title}: ${text}` : title, 1_024), source: clip(source, 255), severity: severity ?? SEVERITIES[notice.severity],
    timestamp: occurredAt, class: clip(eventType, 255),
  };
  const details = Buffer.byteLength(data) <= MAX_DATA_BYTES
    ? `${open({ event_id: eventId, event_type: eventType })},"data":${data}}`
    : JSON.stringify({ event_id: eventId, event_type: eventType, facts, note: 'The data of the event is too large to be shown here.' });
  const ours = { ...head, client: 'Lakehook', ...(link && { client_url: link, links: [{ href: link, text: 'Open' }] }) };
  return `${open(ours)},"payload":${open(payload)},"custom_details":${details}}}`;
}

/** The JSON of an object that something is still to be added to. */
function open(object: object): string {
  return JSON.stringify(object).slice(0, -1);
}
