import { Injectable } from '@nestjs/common';
import { Config, HotLane, isDatabaseAway, Log, Metrics } from '../../platform/index.js';
import type { Claim } from '../dispatch/claim.sql.js';
import { holdMs, OURS, probeWaitMs, RecentAttempts, REPEAT_PROBE_MS, UNASKED } from './circuit.js';
import { AdaptiveLimit, isCongestion } from './concurrency.js';
import { countFailuresSince, holdUntil, noteFailing, noteSucceeding, openCircuit, reopenCircuit, repeatProbe } from './flows.sql.js';

/** What an attempt came to, as far as the flow to its webhook is concerned. */
export interface Outcome {
  succeeded: boolean;
  status?: number;
  errorClass?: string;
  error?: string;
  /** What a 429 or 503 asked for. */
  retryAfterMs: number;
}

/** What this process remembers of a webhook that is in trouble. */
interface Trouble {
  /** Of the webhook: after a change everything begins anew. */
  version: number;
  /** Of the last failure, by a steady clock. */
  at: number;
  recent: RecentAttempts;
  limit: AdaptiveLimit;
  /** It stands in the database that this webhook fails. */
  noted: boolean;
  heldUntil: number;
}

const HOUR_MS = 3_600_000;
/** A webhook that has not failed for so long is forgotten: it may be disabled, or deleted. */
const FORGET_MS = 600_000;
/** Failures that a webhook must have had before it is disabled for having nothing else. */
const LEAST_FAILURES = 10;

/**
 * Watches how attempts end and steers the flow to each webhook by it: the circuit and the hold, which stand in
 * `webhook_flows` for all processes, and how many attempts this process has in flight, which it alone knows. A webhook that only
 * succeeds is not remembered at all and costs nothing.
 */
@Injectable()
export class Flows {
  private readonly troubles = new Map<string, Trouble>();

  constructor(private readonly hot: HotLane, private readonly config: Config, private readonly log: Log, private readonly metrics: Metrics) {}

  /** The webhooks that get fewer slots than others just now, and how many. `now` in milliseconds of the steady clock. */
  *reducedLimits(now: number): Iterable<[webhookId: string, most: number]> {
    for (const [id, { limit, at }] of this.troubles) {
      if (now - at > FORGET_MS) this.troubles.delete(id);
      else if (!limit.isFull) yield [id, limit.value];
    }
  }

  /**
   * Takes in one outcome at `now` (epoch milliseconds). Answers in words why the webhook should be disabled, if it should. What
   * cannot be written down (the database is away) is left: the next outcome says it again.
   */
  async note(claim: Claim, disableAfterHours: number, outcome: Outcome, now: number): Promise<string | undefined> {
    try {
      return outcome.succeeded ? void (await this.succeeded(claim, now)) : await this.failed(claim, disableAfterHours, outcome, now);
    } catch (error) {
      if (!isDatabaseAway(error)) this.log.error({ err: error, webhook_id: claim.webhook_id }, 'noting an outcome failed');
      return undefined;
    }
  }

  private async succeeded({ webhook_id: webhookId, delivery_id, is_probe, failing_since }: Claim, now: number): Promise<void> {
    const trouble = this.troubles.get(webhookId);
    if (trouble) {
      trouble.limit.succeeded();
      trouble.recent.count(delivery_id, true, now);
      if (trouble.limit.isFull && trouble.recent.isCalm && trouble.heldUntil <= now) this.troubles.delete(webhookId);
    }
    if (!is_probe && !failing_since && !trouble?.noted) return;
    if (trouble) trouble.noted = false;
    if (await noteSucceeding(this.hot, webhookId, new Date(now))) this.log.info({ webhook_id: webhookId }, 'circuit closed');
  }

  private async failed(claim: Claim, disableAfterHours: number, { status, errorClass, error = '', retryAfterMs }: Outcome, now: number): Promise<string | undefined> {
    const { webhook_id: webhookId, delivery_id, is_probe, failing_since, trips } = claim;
    if (UNASKED.has(errorClass ?? '')) {
      if (is_probe) await repeatProbe(this.hot, webhookId, new Date(now + REPEAT_PROBE_MS));
      return undefined;
    }
    const trouble = this.troubleOf(claim);
    if (isCongestion(status, errorClass)) trouble.limit.congested(performance.now());
    const until = now + holdMs(retryAfterMs);
    if (until > Math.max(now, trouble.heldUntil)) {
      trouble.heldUntil = until;
      await holdUntil(this.hot, webhookId, new Date(until));
    }
    const opens = trouble.recent.count(delivery_id, false, now);
    if (is_probe) {
      await reopenCircuit(this.hot, webhookId, new Date(now + probeWaitMs(trips + 1)), error);
    } else if (opens) {
      trouble.recent.clear();
      if (await openCircuit(this.hot, webhookId, new Date(now), new Date(now + probeWaitMs(1)), error)) {
        this.metrics.circuitsOpened.inc();
        this.log.warn({ webhook_id: webhookId, error_class: errorClass }, 'circuit opened');
      }
    } else if (!failing_since) {
      await noteFailing(this.hot, webhookId, new Date(now), error);
    }
    trouble.noted = true;
    if (disableAfterHours === 0 || OURS.has(errorClass ?? '') || !failing_since || now - failing_since.getTime() < disableAfterHours * HOUR_MS) return undefined;
    // Those that were under way together with the first to fail count too.
    const since = new Date(failing_since.getTime() - this.config.DELIVERY_TIMEOUT_MS);
    if ((await countFailuresSince(this.hot, webhookId, failing_since, since, LEAST_FAILURES)) < LEAST_FAILURES) return undefined;
    return `Nothing but failures for ${disableAfterHours} hours. The last one: ${error}`;
  }

  private troubleOf({ webhook_id, webhook_version: version }: Claim): Trouble {
    let trouble = this.troubles.get(webhook_id);
    if (!trouble || trouble.version < version) {
      trouble = { version, at: 0, recent: new RecentAttempts(), limit: new AdaptiveLimit(this.config.DELIVERY_CONCURRENCY_PER_WEBHOOK), noted: false, heldUntil: 0 };
      this.troubles.set(webhook_id, trouble);
    }
    trouble.at = performance.now();
    return trouble;
  }
}
