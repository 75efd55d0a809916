/**
 * When a circuit opens and how it comes back, as pure rules. Its state stands in `webhook_flows`, where every claim obeys it.
 *
 * Closed → open when at least {@link SHARE} of a process's recent attempts (of several deliveries: one poisonous event is not
 * an outage) failed. Open: nothing is claimed until `probe_at`. Then one claim, of whichever process is first, takes one
 * delivery as a probe (half open). It fails: open again, for twice as long. It succeeds: closed, with a ramp.
 */

/** Attempts that a judgement needs, and after which the older ones count half. */
const LEAST = 10;
const MOST = 30;
const SHARE = 0.8;
const DELIVERIES = 3;
/** Attempts further apart than this say nothing about each other. */
const FORGET_MS = 60_000;

/** What one process has seen of a webhook lately. Times in epoch milliseconds. */
export class RecentAttempts {
  private total = 0;
  private failed = 0;
  private last = 0;
  private readonly deliveries = new Set<string>();

  /** Counts one outcome. Answers whether the circuit should open now. */
  count(deliveryId: string, succeeded: boolean, now: number): boolean {
    if (now - this.last > FORGET_MS) this.clear();
    this.last = now;
    this.total++;
    if (!succeeded) {
      this.failed++;
      if (this.deliveries.size < DELIVERIES) this.deliveries.add(deliveryId);
    }
    const opens = !succeeded && this.total >= LEAST && this.failed / this.total >= SHARE && this.deliveries.size >= DELIVERIES;
    if (this.total >= MOST) {
      this.total /= 2;
      this.failed /= 2;
    }
    return opens;
  }

  /** Nothing here that a newcomer would need to know. */
  get isCalm(): boolean {
    return this.failed < 1;
  }

  clear(): void {
    this.total = this.failed = 0;
    this.deliveries.clear();
  }
}

/**
 * Classes of failures that are not the receiver's. Their hours do not disable a webhook. Those of {@link UNASKED} concern one event or
 * one machine, so they leave the circuit alone; secrets that do not open fail every delivery, which had better wait.
 */
export const OURS: ReadonlySet<string> = new Set(['template', 'local', 'secret_unreadable']);
export const UNASKED: ReadonlySet<string> = new Set(['template', 'local']);

/** When a probe that asked the receiver nothing is repeated. */
export const REPEAT_PROBE_MS = 1_000;

const FIRST_WAIT_MS = 5_000;
const LONGEST_WAIT_MS = 60_000;

/**
 * How long a circuit stays open before a probe, when it has tripped `trips` times (1-based) without a success in between:
 * 5 s, doubled up to a minute, less up to half of it by chance, so that receivers that fell together are not probed together.
 */
export function probeWaitMs(trips: number, random = Math.random): number {
  const nominal = Math.min(FIRST_WAIT_MS * 2 ** (trips - 1), LONGEST_WAIT_MS);
  return Math.round(nominal * (1 - random() / 2));
}

/** A probe whose outcome has not come for this long was lost with its process. */
export const PROBE_LEASE_MS = 90_000;

/**
 * After a standstill the rate may grow by this many attempts per second, each second, for {@link RAMP_SECONDS}; then it is free.
 * So a backlog of 600 drains in 11 s with a peak of 110/s, which is twice the mean, however fast the receiver is.
 */
export const RAMP_PER_SECOND = 10;
export const RAMP_SECONDS = 100;

/** A receiver that asks everybody to wait for longer than this is tried again after it. */
const LONGEST_HOLD_MS = 3_600_000;

/** How long a webhook as a whole is left alone when a 429 or 503 carried a Retry-After. */
export function holdMs(retryAfterMs: number): number {
  return Math.min(retryAfterMs, LONGEST_HOLD_MS);
}
