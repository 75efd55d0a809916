import { Injectable } from '@nestjs/common';
import { Database, Metrics } from '../../platform/index.js';
import { type QueueDepth, readQueueDepth } from './queue-gauges.sql.js';

const FRESH_MS = 2_000;

/** The queue as Prometheus sees it, read at most every two seconds however often it is scraped. */
@Injectable()
export class QueueGauges {
  private reading: { at: number; depth: Promise<QueueDepth> } | undefined;

  constructor(private readonly db: Database, metrics: Metrics) {
    metrics.gaugeOf('lakehook_delivery_queue_deliveries', 'Deliveries that wait or are being attempted.', async () => (await this.read()).waiting);
    metrics.gaugeOf('lakehook_delivery_queue_oldest_due_seconds', 'How long the longest overdue delivery has been due.', async () => (await this.read()).oldest_seconds);
    metrics.gaugeOf('lakehook_dead_letters', 'Dead letters kept.', async () => (await this.read()).dead);
    metrics.gaugeOf('lakehook_circuits_open', 'Webhooks that get nothing but probes just now.', async () => (await this.read()).open_circuits);
    metrics.gaugeOf('lakehook_order_keys_blocked', 'Keys of ordered webhooks that stand still behind a dead letter.', async () => (await this.read()).blocked_keys);
  }

  private read(): Promise<QueueDepth> {
    if (!this.reading || performance.now() - this.reading.at > FRESH_MS) {
      // A scrape must answer while the database is away: the gauges read NaN then.
      const depth = readQueueDepth(this.db.client).catch(() => ({ waiting: Number.NaN, oldest_seconds: Number.NaN, dead: Number.NaN, open_circuits: Number.NaN, blocked_keys: Number.NaN }));
      this.reading = { at: performance.now(), depth };
    }
    return this.reading.depth;
  }
}
