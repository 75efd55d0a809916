import { type EventsAppended, eventsAppended, eventsAppendedInBulk } from '../../events/index.js';
import { defineQueue } from '../../platform/index.js';

/** One appended batch in, one delivery per matching webhook out. */
export const fanOut = defineQueue<EventsAppended>('delivery.fan-out', { on: eventsAppended, pausable: true });

/** The same for tenants that publish much at once, so that their backlog keeps nobody else waiting. */
export const bulkFanOut = defineQueue<EventsAppended>('delivery.fan-out-bulk', { on: eventsAppendedInBulk, pausable: true });
