import { Inject, Injectable } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { LogPartitions } from '../../events/index.js';
import { Clock, Config, DailyPartitions, Database, DAY_MS, isDatabaseAway, Log, type Tx } from '../../platform/index.js';
import { dropLettersBefore, dropResendsBefore, expireBefore, oldestAwaited } from './retention.sql.js';

/** The days of the delivery history. What still waits from one that goes (for a webhook paused so long) becomes a dead letter. */
@Injectable()
export class DeliveryRetention extends DailyPartitions {
  protected readonly tables = ['deliveries', 'attempts'];
  @Inject(LogPartitions)
  private readonly logDays: LogPartitions;

  /** After a long pause deliveries are made of old events: those have their time too. */
  override async onApplicationBootstrap(): Promise<void> {
    this.logDays.keepFrom((tx) => oldestAwaited(tx, new Date((Math.floor(this.clock.now() / DAY_MS) - this.config.EVENT_RETENTION_DAYS) * DAY_MS)));
    await super.onApplicationBootstrap();
  }

  protected async clearBefore(tx: Tx, before: Date): Promise<void> {
    const expired = await expireBefore(tx, before, new Date(this.clock.now()));
    if (expired > 0) this.log.warn({ deliveries: expired }, 'deliveries that waited past the retention were given up');
    await dropResendsBefore(tx, before);
  }
}

/** Dead letters removed by one statement, which holds their locks. */
const BATCH = 5_000;

/** Removes dead letters after `DEAD_LETTER_RETENTION_DAYS`, in batches: a million of them hold up nobody. */
@Injectable()
export class DeadLetterRetention {
  constructor(private readonly db: Database, private readonly clock: Clock, private readonly config: Config, private readonly log: Log) {}

  @Interval(600_000)
  async reconcile(): Promise<void> {
    if (!this.config.runsWorkers) return;
    try {
      const before = new Date(this.clock.now() - this.config.deadLetterRetentionMs);
      let removed = 0;
      for (let count = BATCH; count === BATCH; removed += count) count = await dropLettersBefore(this.db.client, before, BATCH);
      if (removed > 0) this.log.info({ dead_letters: removed }, 'dead letters past their retention removed');
    } catch (error) {
      if (!isDatabaseAway(error)) this.log.error({ err: error }, 'removing dead letters past their retention failed');
    }
  }
}
