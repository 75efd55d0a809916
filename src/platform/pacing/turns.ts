/** As long as a round trip to Postgres, of which an event on its way makes a dozen: each may have to wait for a turn. */
const TURN_MS = 1;

/** Begin the next turn of those works that wait for it. */
const line: (() => void)[] = [];

/** Long work in turns: after each, whatever else waits for the event loop goes first. Of several such works one has its turn between two looks at the world. */
export class Turns {
  /** When this turn began, by the steady clock. */
  since = performance.now();

  /** Whether this turn has lasted long enough. */
  get isOver(): boolean {
    return performance.now() - this.since >= TURN_MS;
  }

  async next(): Promise<void> {
    await new Promise<void>((begin) => {
      if (line.push(begin) === 1) setImmediate(beginNext);
    });
    this.since = performance.now();
  }
}

function beginNext(): void {
  line.shift()!();
  if (line.length > 0) setImmediate(beginNext);
}

/** Thrown by {@link inTime}. */
export class Late extends Error {}

/**
 * Calls `onLate` after `ms`, once what has meanwhile arrived at this process has been read: a process that was busy itself must
 * not take its own delay for another's. Answers how to call it off.
 */
export function afterReading(ms: number, onLate: () => void): () => void {
  let off = false;
  const timer = setTimeout(() => setImmediate(() => setImmediate(() => {
    if (!off) onLate();
  })), ms);
  return () => {
    off = true;
    clearTimeout(timer);
  };
}

/** What `work` comes to, or {@link Late} after `ms`. The work itself goes on. */
export async function inTime<T>(ms: number, work: Promise<T>): Promise<T> {
  let callOff: (() => void) | undefined;
  const late = new Promise<never>((_, reject) => (callOff = afterReading(ms, () => reject(new Late(`no answer within ${ms} ms`)))));
  try {
    return await Promise.race([work, late]);
  } finally {
    callOff?.();
    work.catch(() => {});
  }
}
