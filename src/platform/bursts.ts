const ENTRIES = 10_000;

/** Who does more than a little just now: a leaky bucket for each. */
export class Bursts {
  private readonly buckets = new Map<string, { level: number; at: number }>();

  /** `burst` may be done at once, and `perSecond` in the long run, before it counts as much. */
  constructor(private readonly burst: number, private readonly perSecond: number) {}

  /** Counts `count` for a tenant at `now` (milliseconds of any steady clock). Answers whether that is part of a burst. */
  count(tenantId: string, count: number, now: number): boolean {
    const bucket = this.buckets.get(tenantId) ?? { level: 0, at: now };
    bucket.level = Math.max(0, bucket.level - ((now - bucket.at) / 1_000) * this.perSecond) + count;
    bucket.at = now;
    if (this.buckets.size >= ENTRIES) this.buckets.clear();
    this.buckets.set(tenantId, bucket);
    return bucket.level > this.burst;
  }
}
