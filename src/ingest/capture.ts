import { Injectable } from '@nestjs/common';
import { type Announce, type Appended, Events, type NewEvent, type Publish } from '../events/index.js';
import { atOnce, Bursts, Courtesy, HotLane, isRefusedData, Metrics, MicroBatch, Problem } from '../platform/index.js';

/** Events per transaction, and transactions at once, of one process: docs/benchmarks.md has the curve. */
const BATCH_EVENTS = 1_000;
const BATCHES_IN_FLIGHT = 2;
const BATCH_PACE_MS = 10;

/** Events of one tenant that pass at once, and per second, before it counts as publishing in bulk. */
const BURST = 500;
const BURST_PER_SECOND = 1_000;

/** The one way into the log for what comes from outside: gathers what arrives at the same time into one transaction. */
@Injectable()
export class Capture {
  private readonly bursts = new Bursts(BURST, BURST_PER_SECOND);
  private readonly atOnce = this.batch((publishes) => this.flush(publishes, 'at once'));
  private readonly inBulk = this.batch((publishes) => this.courtesy.run(new Set(publishes.map(({ tenantId }) => tenantId)), (inParts) => this.flush(publishes, 'in bulk', inParts)));

  constructor(private readonly hot: HotLane, private readonly events: Events, private readonly courtesy: Courtesy, private readonly metrics: Metrics) {}

  /**
   * Appends events and announces them. Resolves after the commit, with one answer per event in their order; callers that
   * come at the same time share a transaction. Throws 503 when the database is away: nothing was stored then, unless the
   * connection broke during the very commit.
   */
  async publish(tenantId: string, events: NewEvent[]): Promise<Appended[]> {
    if (events.length === 0) return [];
    const started = performance.now();
    const isBulk = this.bursts.count(tenantId, events.length, started);
    const answer = await (isBulk ? this.inBulk : this.atOnce).add({ tenantId, events }, events.length);
    if (!isBulk) this.courtesy.noteDelay(tenantId, 'append', performance.now() - started);
    if (answer instanceof Problem) throw answer;
    return answer;
  }

  private batch(flush: (publishes: Publish[]) => Promise<(Appended[] | Problem)[]>): MicroBatch<Publish, Appended[] | Problem> {
    return new MicroBatch(flush, { maxWeight: BATCH_EVENTS, inFlight: BATCHES_IN_FLIGHT, paceMs: BATCH_PACE_MS, fairBy: ({ tenantId }) => tenantId });
  }

  private async flush(publishes: Publish[], announce: Announce, inParts = atOnce): Promise<(Appended[] | Problem)[]> {
    const started = performance.now();
    try {
      const answers = await this.hot.transaction((lane) => this.events.appendAll(lane, publishes, announce, inParts));
      this.metrics.appendSeconds.observe((performance.now() - started) / 1000);
      const total = answers.reduce((sum, appended) => sum + appended.length, 0);
      const duplicates = answers.reduce((sum, appended) => sum + appended.filter(({ duplicate }) => duplicate).length, 0);
      this.metrics.appendBatch.observe(total);
      this.metrics.eventsAppended.inc(total - duplicates);
      this.metrics.eventsDuplicate.inc(duplicates);
      return answers;
    } catch (error) {
      // Only a refusal of the rows themselves is worth a second try; after anything else they may already be stored.
      if (!isRefusedData(error)) throw error;
      if (publishes.length === 1) return [new Problem('internal', 'The event could not be stored. The cause has been logged under the request id.', { cause: error })];
      // Something in here is refused by Postgres: halve until only its own publisher is told.
      const middle = publishes.length >> 1;
      return [...(await this.flush(publishes.slice(0, middle), announce)), ...(await this.flush(publishes.slice(middle), announce))];
    }
  }
}
