import { isDatabaseAway } from './errors/problem.filter.js';
import type { Outage } from './db/outage.js';
import { inTime, Late } from './pacing/turns.js';

/** While the last answer is at hand, nobody waits longer than this for a newer one. */
const WAIT_MS = 250;

interface Kept<Value> {
  value: Value;
  at: number;
}

export interface RememberedLimits {
  /** An answer is given again for this long without asking. */
  freshMs: number;
  /** While Postgres does not answer, the last answer serves for this long. */
  keepMs?: number;
  entries?: number;
}

/**
 * Rows that a request needs before anything else (its key, its source): each is looked up at most once in `freshMs`, and what
 * was found serves on while Postgres is away. What was not found does not: whatever is unknown then is a 503, for it may exist.
 */
export class Remembered<Value> {
  private readonly kept = new Map<string, Kept<Value>>();
  /** Keys under which nothing was found. Apart, so that whoever tries many drives out none that something is known of. */
  private readonly absent = new Map<string, Kept<Value>>();
  private readonly loading = new Map<string, { value: Promise<Value>; at: number }>();

  constructor(private readonly outage: Outage, private readonly load: (key: string) => Promise<Value>, private readonly limits: RememberedLimits) {}

  async get(key: string): Promise<Value> {
    const now = performance.now();
    const kept = this.kept.get(key) ?? this.absent.get(key);
    if (kept && now - kept.at < this.limits.freshMs) return kept.value;
    const last = kept && !isAbsent(kept.value) && now - kept.at < (this.limits.keepMs ?? 3_600_000) ? kept : undefined;
    if (!last) return this.outage.watch(() => this.ask(key, now));
    if (this.outage.isOn) return last.value;
    const { at } = this.loading.get(key) ?? { at: now };
    try {
      return await inTime(Math.max(0, at + WAIT_MS - now), this.ask(key, now));
    } catch (error) {
      if (isDatabaseAway(error)) this.outage.begin(error);
      else if (!(error instanceof Late)) throw error;
      return last.value;
    }
  }

  /** Has a key looked up again before its next use. */
  forget(key: string): void {
    this.kept.delete(key);
    this.absent.delete(key);
    this.loading.delete(key);
  }

  private ask(key: string, now: number): Promise<Value> {
    const under = this.loading.get(key);
    if (under) return under.value;
    const entry = { value: this.load(key), at: now };
    this.loading.set(key, entry);
    entry.value.then((value) => {
      // Forgotten meanwhile: it may be what was true before.
      if (this.loading.get(key) !== entry) return;
      this.kept.delete(key);
      this.absent.delete(key);
      const place = isAbsent(value) ? this.absent : this.kept;
      place.set(key, { value, at: now });
      // The one that was looked up longest ago: what is in use is always young.
      if (place.size > (this.limits.entries ?? 10_000)) place.delete(place.keys().next().value!);
    }).catch(() => {}).finally(() => {
      if (this.loading.get(key) === entry) this.loading.delete(key);
    });
    return entry.value;
  }
}

function isAbsent(value: unknown): boolean {
  return value === null || value === undefined;
}
