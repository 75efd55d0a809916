import { setImmediate } from 'node:timers/promises';

/** Long work in turns: after each, whatever else waits for the event loop goes first. */
export class Turns {
  private since = performance.now();

  constructor(private readonly turnMs: number) {}

  /** Whether this turn has lasted long enough. */
  get isOver(): boolean {
    return performance.now() - this.since >= this.turnMs;
  }

  async next(): Promise<void> {
    await setImmediate();
    this.since = performance.now();
  }
}

/** Thrown by {@link inTime}. */
export class Late extends Error {}

/**
 * Calls `onLate` after `ms`, once what has meanwhile arrived at this process has been read: a process that was busy itself must
 * not take its own delay for another's. Answers how to call it off.
 */
export function afterReading(ms: number, onLate: () => void): () => void {
  let off = false;
  const timer = setTimeout(() => globalThis.setImmediate(() => globalThis.setImmediate(() => {
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
