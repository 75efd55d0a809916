import { OPERATIONAL_TYPES } from '../../events/index.js';

/** Whether a webhook's patterns (`*`, an exact type, or `prefix.*`) choose an event type. */
export function matches(patterns: readonly string[], eventType: string): boolean {
  return patterns.some((pattern) => {
    if (pattern === '*') return !OPERATIONAL_TYPES.has(eventType);
    return pattern.endsWith('.*') ? eventType.startsWith(pattern.slice(0, -1)) : pattern === eventType;
  });
}

/** Whether deliveries of an event type are made for a webhook: its own patterns choose it and, where it belongs to a partner, approved ones do too. */
export function chooses({ events, approved }: { events: readonly string[]; approved: readonly string[] | null }, eventType: string): boolean {
  return matches(events, eventType) && (approved === null || matches(approved, eventType));
}

/** What a webhook may list in `events`. */
export const EVENT_PATTERN = /^(\*|[A-Za-z0-9][A-Za-z0-9._:/-]{0,250}(\.\*)?)$/;
