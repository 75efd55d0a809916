import { defineTopic } from '../platform/index.js';

/** A committed batch of events: the time they were recorded at, and per tenant their ids. */
export interface EventsAppended {
  recorded_at: string;
  tenants: Record<string, string[]>;
}

/** Published in the transaction that appends, once per batch. */
export const eventsAppended = defineTopic<EventsAppended>('events.appended');
