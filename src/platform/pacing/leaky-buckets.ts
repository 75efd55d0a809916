import type { RateLimit } from './rate-limit.js';

interface Bucket {
  level: number;
  at: number;
}

/** A bucket per key that fills by what is counted and drains steadily, in the memory of this process. `now` is milliseconds of any steady clock. */
export class LeakyBuckets {
  private readonly buckets = new Map<string, Bucket>();

  /** `entries`: keys remembered at most; the one not asked for longest is forgotten, as if it had drained. */
  constructor(private readonly entries = 10_000) {}

  /** Pours, whether it overflows or not. Answers the level after it. */
  pour(key: string, count: number, perSecond: number, now: number): number {
    const bucket = this.drained(key, perSecond, now);
    return (bucket.level += count);
  }

  /**
   * Pours if there is room; else answers the milliseconds until there will be, and pours nothing. What is larger than the whole
   * bucket may go when it is empty, and is paid for after: it would else never go.
   */
  tryPour(key: string, count: number, { per_second, burst }: RateLimit, now: number): number {
    const bucket = this.drained(key, per_second, now);
    const beyond = bucket.level + Math.min(count, burst) - burst;
    // Draining is arithmetic on fractions: a millionth too much is none.
    if (beyond > 1e-6) return (beyond / per_second) * 1_000;
    bucket.level += count;
    return 0;
  }

  private drained(key: string, perSecond: number, now: number): Bucket {
    const bucket = this.buckets.get(key) ?? { level: 0, at: now };
    bucket.level = Math.max(0, bucket.level - ((now - bucket.at) / 1_000) * perSecond);
    bucket.at = now;
    // To the end of the line of those to be forgotten.
    this.buckets.delete(key);
    this.buckets.set(key, bucket);
    if (this.buckets.size > this.entries) this.buckets.delete(this.buckets.keys().next().value!);
    return bucket;
  }
}
