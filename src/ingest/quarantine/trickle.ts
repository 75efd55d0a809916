/** Requests of one source that pass at once, and per second after that. */
const BURST = 100;
const PER_SECOND = 20;

const ENTRIES = 10_000;

/** What may be written of something that anybody can cause: a bucket of tokens per source. */
export class Trickle {
  private readonly buckets = new Map<string, { tokens: number; at: number }>();

  /** Whether one more may pass at `now` (milliseconds of any steady clock). */
  take(sourceId: string, now: number): boolean {
    const bucket = this.buckets.get(sourceId) ?? { tokens: BURST, at: now };
    bucket.tokens = Math.min(BURST, bucket.tokens + ((now - bucket.at) / 1_000) * PER_SECOND);
    bucket.at = now;
    if (this.buckets.size >= ENTRIES) this.buckets.clear();
    this.buckets.set(sourceId, bucket);
    if (bucket.tokens < 1) return false;
    bucket.tokens--;
    return true;
  }
}
