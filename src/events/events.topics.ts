import { defineTopic } from '../platform/index.js';

/** A committed batch of events: the time they were recorded at, and per tenant their ids. */
export interface EventsAppended {
  recorded_at: string;
  tenants: Record<string, string[]>;
}

/** Published in the transaction that appends, once per batch, for the tenants that are not publishing in bulk. */
export const eventsAppended = defineTopic<EventsAppended>('events.appended');

/** The same for tenants that are: whoever listens to one listens to both, with a worker for each, so that a burst keeps only its own tenant waiting. */
export const eventsAppendedInBulk = defineTopic<EventsAppended>('events.appended-in-bulk');
