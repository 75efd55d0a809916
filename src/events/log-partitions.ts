import { Injectable } from '@nestjs/common';
import { DailyPartitions, laneOn, pendingByQueue, type Tx } from '../platform/index.js';
import { forgetLedgerBefore } from './events.sql.js';
import { eventsAppended, eventsAppendedInBulk } from './events.topics.js';

/** The days of the log. With a day go the ids that publishers chose for its events. */
@Injectable()
export class LogPartitions extends DailyPartitions {
  protected readonly tables = ['events'];

  /** What somebody has yet to hear of stays, though processing be paused for longer than the retention. */
  protected override async neededFrom(tx: Tx): Promise<number> {
    const queues = [...eventsAppended.queues, ...eventsAppendedInBulk.queues];
    const { rows } = queues.length > 0 ? await laneOn(tx).executeSql<{ oldest: string | null }>(pendingByQueue(queues)) : { rows: [] };
    return Math.min(...rows.map(({ oldest }) => (oldest === null ? Number.POSITIVE_INFINITY : Date.parse(oldest))));
  }

  protected async clearBefore(tx: Tx, before: Date): Promise<void> {
    await forgetLedgerBefore(tx, before);
  }
}
