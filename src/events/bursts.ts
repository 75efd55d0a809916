/** Events of one tenant that pass at once, and per second, before it counts as publishing in bulk. */
const BURST = 2_000;
const PER_SECOND = 1_000;

const ENTRIES = 10_000;

/** Which tenants publish in bulk just now: a leaky bucket each. */
export class Bursts {
  private readonly buckets = new Map<string, { level: number; at: number }>();

  /** Counts `count` events of a tenant at `now` (milliseconds of any steady clock). Answers whether they are part of a burst. */
  count(tenantId: string, count: number, now: number): boolean {
    const bucket = this.buckets.get(tenantId) ?? { level: 0, at: now };
    bucket.level = Math.max(0, bucket.level - ((now - bucket.at) / 1_000) * PER_SECOND) + count;
    bucket.at = now;
    if (this.buckets.size >= ENTRIES) this.buckets.clear();
    this.buckets.set(tenantId, bucket);
    return bucket.level > BURST;
  }
}
