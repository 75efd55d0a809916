/** Between two cuts, so that one bad moment, which fails all that is in flight, counts once. */
const CUT_EVERY_MS = 1_000;

/**
 * How many attempts may be in flight to one webhook: additive increase, multiplicative decrease. Begins at `most`; a sign of
 * congestion halves it (at most once a second), a success raises it by `1/limit`, which is by one per round of attempts.
 */
export class AdaptiveLimit {
  private limit: number;
  private lastCut = Number.NEGATIVE_INFINITY;

  constructor(private readonly most: number) {
    this.limit = most;
  }

  get value(): number {
    return Math.max(1, Math.floor(this.limit));
  }

  /** Nothing to remember: it stands where it began. */
  get isFull(): boolean {
    return this.limit >= this.most;
  }

  /** `now` in milliseconds of any steady clock. */
  congested(now: number): void {
    if (now - this.lastCut < CUT_EVERY_MS) return;
    this.lastCut = now;
    this.limit = Math.max(1, this.limit / 2);
  }

  succeeded(): void {
    this.limit = Math.min(this.most, this.limit + 1 / this.limit);
  }
}

const CONGESTION_CLASSES = new Set(['timeout', 'connect_timeout']);

/** Whether an outcome says that the receiver has too much to do, rather than that it is broken or dislikes the event. */
export function isCongestion(status: number | undefined, errorClass: string | undefined): boolean {
  return status === 429 || status === 503 || CONGESTION_CLASSES.has(errorClass ?? '');
}
