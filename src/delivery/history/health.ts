import { Injectable } from '@nestjs/common';
import type { Caller } from '../../auth/index.js';
import { Clock, Database, DAY_MS } from '../../platform/index.js';
import { Webhooks } from '../webhooks/webhooks.js';
import { adviceFor } from './advice.js';
import type { FailureView, HealthView } from './health.dto.js';
import { LOOK_AT, type OutcomeRow, readBacklog, readOutcomes } from './health.sql.js';

/** How a webhook fared in the last day, and what to do about its failures. */
@Injectable()
export class WebhookHealth {
  constructor(private readonly db: Database, private readonly clock: Clock, private readonly webhooks: Webhooks) {}

  async of(caller: Caller, webhookId: string): Promise<HealthView> {
    const { status, disabled_reason } = await this.webhooks.get(this.db.client, caller, webhookId);
    const from = new Date(this.clock.now() - DAY_MS);
    const outcomes = await readOutcomes(this.db.client, webhookId, from);
    const { filtered, oldest_due_at, ...backlog } = await readBacklog(this.db.client, webhookId, from);
    const attempts = countOf(outcomes);
    const failed = outcomes.filter(({ error_class }) => error_class !== null);
    const since = attempts < LOOK_AT ? from : new Date(Math.min(...outcomes.map(({ first_seen }) => first_seen.getTime())));
    return {
      webhook_id: webhookId, status, disabled_reason, from: since.toISOString(),
      attempts, failed: countOf(failed), success_rate: attempts === 0 ? null : shareOf(attempts - countOf(failed), attempts),
      p50_ms: outcomes[0]?.p50_ms ?? null, p99_ms: outcomes[0]?.p99_ms ?? null,
      ...backlog, oldest_due_at: oldest_due_at?.toISOString() ?? null, filtered_24h: filtered, failures: groupByClass(failed),
    };
  }
}

/** `failed` holds the most frequent first, and so does the answer. */
function groupByClass(failed: OutcomeRow[]): FailureView[] {
  const all = countOf(failed);
  return [...Map.groupBy(failed, (row) => row.error_class!)].map(([errorClass, rows]): FailureView => {
    const [{ delivery_id, response_status, error }] = rows as [OutcomeRow];
    return {
      error_class: errorClass, count: countOf(rows), share: shareOf(countOf(rows), all),
      first_seen_at: new Date(Math.min(...rows.map(({ first_seen }) => first_seen.getTime()))).toISOString(),
      last_seen_at: new Date(Math.max(...rows.map(({ last_seen }) => last_seen.getTime()))).toISOString(),
      statuses: Object.fromEntries(rows.flatMap((row) => (row.response_status === null ? [] : [[row.response_status, row.count]]))),
      example: { delivery_id: delivery_id!, response_status, error },
      suggestion: adviceFor(errorClass, response_status),
    };
  }).sort((a, b) => b.count - a.count);
}

function countOf(rows: OutcomeRow[]): number {
  return rows.reduce((sum, { count }) => sum + count, 0);
}

/** To four digits, but never up to a perfect 1. */
function shareOf(part: number, whole: number): number {
  return Math.floor((part * 10_000) / whole) / 10_000;
}
