/** Rows that one transaction moves at most. */
export const CHUNK = 1_000;

/** Deliveries of one resend without a rate that may stand in the queue untried, over all its webhooks. */
const UNSENT = 4_000;
/** How far a paced resend may catch up with a late look at it: more would be a burst. */
const CATCH_UP_MS = 250;

/**
 * Deliveries of a resend that may stand in the queue untried for one of its webhooks, of which `parts` are left. Each has a
 * share of its own, so a paused or silent one holds up nobody else. With a rate it is one second's worth in all: what has
 * gathered behind a pause comes out as one second's worth, not as a burst.
 */
export function shareOf(rate: number | null, parts: number): number {
  return rate === null ? Math.max(20, Math.floor(UNSENT / parts)) : Math.max(1, Math.floor(rate / parts));
}

/** How many deliveries the next chunk may queue: half a second's worth at most, and no more than there is room for. */
export function chunkOf(rate: number | null, room: number): number {
  return Math.min(CHUNK, room, rate === null ? CHUNK : Math.max(1, Math.floor(rate / 2)));
}

/** When the deliveries of a chunk are due: the first at `from`, each `stepMs` after the one before. */
export interface Pace {
  from: number;
  stepMs: number;
}

/** The pace of a chunk that could be queued from `advanceAt` on and is queued at `now` (epoch milliseconds). */
export function paceOf(rate: number | null, advanceAt: number, now: number): Pace {
  return rate === null ? { from: now, stepMs: 0 } : { from: Math.max(advanceAt, now - CATCH_UP_MS), stepMs: 1_000 / rate };
}

/** When the next chunk may come, after one of `count`. Never earlier than the rate allows. */
export function afterChunk({ from, stepMs }: Pace, count: number): number {
  return Math.ceil(from + count * stepMs);
}
