import { type EventsAppended, eventsAppended } from '../../events/index.js';
import { defineQueue } from '../../platform/index.js';

/** One appended batch in, one delivery per matching webhook out. */
export const fanOut = defineQueue<EventsAppended>('delivery.fan-out', { on: eventsAppended });
