import { LeakyBuckets } from './leaky-buckets.js';

/** Who does more than a little just now: a leaky bucket for each. */
export class Bursts {
  private readonly buckets = new LeakyBuckets();

  /** `burst` may be done at once, and `perSecond` in the long run, before it counts as much. */
  constructor(private readonly burst: number, private readonly perSecond: number) {}

  /** Counts `count` for a tenant at `now` (milliseconds of any steady clock). Answers whether that is part of a burst. */
  count(tenantId: string, count: number, now: number): boolean {
    return this.buckets.pour(tenantId, count, this.perSecond, now) > this.burst;
  }
}
