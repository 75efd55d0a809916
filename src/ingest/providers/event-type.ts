import { EVENT_TYPE } from '../../events/index.js';

const MOST = 255;

/** A provider's type as an event type: what does not belong becomes `_`. Undefined where nothing is left to call it by. */
export function eventTypeOf(type: string): string | undefined {
  if (EVENT_TYPE.test(type)) return type;
  // Cut first: a type may be as long as a header, or a body.
  const fitting = type.slice(0, 2 * MOST).trim().replace(/^[^A-Za-z0-9]+/, '').replace(/[^A-Za-z0-9._:/-]+/g, '_').slice(0, MOST);
  return EVENT_TYPE.test(fitting) ? fitting : undefined;
}
