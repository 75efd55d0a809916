export { envelopeOf, viewOf } from './envelope.js';
export { EventView } from './events.dto.js';
export type { EventPlace } from './events.sql.js';
export { EventsModule } from './events.module.js';
export { type EventsAppended, eventsAppended, eventsAppendedInBulk } from './events.topics.js';
export { type Announce, type Appended, Events, type Publish } from './events.js';
export { EVENT_TYPE, type NewEvent, readEvent, readPublish, type Refused } from './publish.js';
