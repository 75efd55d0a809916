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
