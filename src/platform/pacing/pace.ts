/** Work and rest come in turns of this length and more: a timer is no finer than a millisecond. */
const WORK_MS = 5;
const LONGEST_REST_MS = 1_000;

/**
 * For which part of its time a thread may work. One thread sets it, at any time; the one that works looks at it by itself, so that
 * it need not listen.
 */
export class Pace {
  private readonly share: Float64Array<SharedArrayBuffer>;
  private since = performance.now();

  /** `memory` of another `Pace` makes both the same. */
  constructor(readonly memory = new SharedArrayBuffer(Float64Array.BYTES_PER_ELEMENT)) {
    this.share = new Float64Array(memory);
    if (this.share[0] === 0) this.set(1);
  }

  /** From a little above 0 to 1, which is without a rest. */
  set(share: number): void {
    this.share[0] = share;
  }

  /** How long to rest now, for what was worked since the last time. Resting is up to the caller. */
  restMs(): number {
    const workedMs = performance.now() - this.since;
    if (workedMs < WORK_MS) return 0;
    const ms = Math.min(LONGEST_REST_MS, workedMs * (1 / this.share[0]! - 1));
    this.since += workedMs + ms;
    return ms;
  }
}
