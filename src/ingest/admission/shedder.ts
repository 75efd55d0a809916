/** Length of the windows that are judged by their smallest delay. */
const WINDOW_MS = 200;
/** A window needs so many samples: one that holds a single pause of the machine says nothing. */
const WINDOW_SAMPLES = 3;
/** Windows with a standing queue before the first is refused: what passes by itself is no overload. */
const PATIENCE = 2;
/** What each window adds to the share that is refused, times how many times the target the delay is; and what one without a queue leaves of it. */
const STEP = 0.05;
const RELIEF = 0.7;
/** Less is none. */
const LEAST_SHARE = 0.02;
const MOST_WAIT_SECONDS = 30;

/**
 * Decides by the delay of a queue what share of those who come to it is turned away, after CoDel (RFC 8289): a burst fills a
 * queue and is gone, so only a queue that stands counts, which is to say the *smallest* delay of a window. While that is beyond the
 * target the refused share grows, the faster the further beyond; once it is not, the share shrinks with each window. No IO, no
 * clock: `now` is milliseconds of any steady one.
 */
export class Shedder {
  /** The share that is refused, 0 to 1. */
  share = 0;
  /** The smallest delay of the last whole window. */
  delayMs = 0;
  private windowStart = Number.NEGATIVE_INFINITY;
  private least = Number.POSITIVE_INFINITY;
  private samples = 0;
  private standing = 0;
  /** What is left of refusals that were not whole. */
  private owed = 0;

  constructor(private readonly targetMs: number) {}

  /** A delay as it was found at `now`, often and at even intervals. */
  sample(delayMs: number, now: number): void {
    if (this.samples === 0) this.windowStart = now;
    this.least = Math.min(this.least, delayMs);
    this.samples++;
    if (now - this.windowStart < WINDOW_MS || this.samples < WINDOW_SAMPLES) return;
    this.judge(this.least);
    this.least = Number.POSITIVE_INFINITY;
    this.samples = 0;
  }

  /** Whether the next to come is refused. Spreads refusals evenly, so that no luck is needed. */
  refuses(): boolean {
    this.owed += this.share;
    if (this.owed < 1) return false;
    this.owed -= 1;
    return true;
  }

  /** When those who were refused should come again: the longer, the more are. */
  get retryAfterSeconds(): number {
    return Math.max(1, Math.round(this.share ** 2 * Math.min(MOST_WAIT_SECONDS, (5 * this.delayMs) / 1_000)));
  }

  private judge(delayMs: number): void {
    this.delayMs = delayMs;
    if (delayMs > this.targetMs) {
      if (++this.standing >= PATIENCE || this.share > 0) this.share = Math.min(1, this.share + (STEP * delayMs) / this.targetMs);
    } else {
      this.standing = 0;
      this.share = this.share * RELIEF < LEAST_SHARE ? 0 : this.share * RELIEF;
      if (this.share === 0) this.owed = 0;
    }
  }
}
