import type { EventRow } from './events.sql.js';

/**
 * The text of an event as receivers get it: `{"event_id","event_type","timestamp","data","metadata"}`, with `data` and
 * `metadata` exactly as they were published. It is a function of the stored row alone, so every attempt, redrive and
 * replay sends the same bytes.
 */
export function envelopeOf(event: Pick<EventRow, 'event_id' | 'event_type' | 'occurred_at' | 'data' | 'metadata'>): string {
  return `{"event_id":${JSON.stringify(event.event_id)},"event_type":${JSON.stringify(event.event_type)},"timestamp":"${event.occurred_at.toISOString()}","data":${event.data},"metadata":${event.metadata}}`;
}

/** The text of an event as our own API answers it: the envelope, when it was recorded and by which source. */
export function viewOf(event: EventRow, more = ''): string {
  return `${envelopeOf(event).slice(0, -1)},"source_id":${JSON.stringify(event.source_id)},"recorded_at":"${event.recorded_at.toISOString()}"${more}}`;
}
