import { Injectable } from '@nestjs/common';
import { Database, Metrics } from '../../platform/index.js';
import { readQueueDepth } from './queue-gauges.sql.js';

const FRESH_MS = 2_000;

/** The queue as Prometheus sees it, read at most every two seconds however often it is scraped. */
@Injectable()
export class QueueGauges {
  private reading: { at: number; depth: Promise<{ waiting: number; oldest_seconds: number; dead: number }> } | undefined;

  constructor(private readonly db: Database, metrics: Metrics) {
    metrics.gaugeOf('lakehook_delivery_queue_deliveries', 'Deliveries that wait or are being attempted.', async () => (await this.read()).waiting);
    metrics.gaugeOf('lakehook_delivery_queue_oldest_due_seconds', 'How long the longest overdue delivery has been due.', async () => (await this.read()).oldest_seconds);
    metrics.gaugeOf('lakehook_dead_letters', 'Dead letters kept.', async () => (await this.read()).dead);
  }

  private read(): Promise<{ waiting: number; oldest_seconds: number; dead: number }> {
    if (!this.reading || performance.now() - this.reading.at > FRESH_MS) {
      // A scrape must answer while the database is away: the gauges read NaN then.
      const depth = readQueueDepth(this.db.client).catch(() => ({ waiting: Number.NaN, oldest_seconds: Number.NaN, dead: Number.NaN }));
      this.reading = { at: performance.now(), depth };
    }
    return this.reading.depth;
  }
}
