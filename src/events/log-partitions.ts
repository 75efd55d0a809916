import { Injectable } from '@nestjs/common';
import { DailyPartitions, laneOn, pendingByQueue, type Tx } from '../platform/index.js';
import { forgetLedgerBefore } from './events.sql.js';
import { eventsAppended, eventsAppendedInBulk } from './events.topics.js';

/** The days of the log. With a day go the ids that publishers chose for its events. */
@Injectable()
export class LogPartitions extends DailyPartitions {
  protected readonly tables = ['events'];

  private readonly neededBy: ((tx: Tx) => Promise<Date | null>)[] = [];

  /** Keeps all days from the one that `ask` answers on, however old; null is none. */
  keepFrom(ask: (tx: Tx) => Promise<Date | null>): void {
    this.neededBy.push(ask);
  }

  /** What somebody has yet to hear of stays, though processing be paused for longer than the retention. */
  protected override async neededFrom(tx: Tx): Promise<number> {
    const asked = [];
    for (const ask of this.neededBy) asked.push((await ask(tx))?.getTime() ?? Number.POSITIVE_INFINITY);
    const queues = [...eventsAppended.queues, ...eventsAppendedInBulk.queues];
    const { rows } = queues.length > 0 ? await laneOn(tx).executeSql<{ oldest: string | null }>(pendingByQueue(queues)) : { rows: [] };
    return Math.min(...asked, ...rows.map(({ oldest }) => (oldest === null ? Number.POSITIVE_INFINITY : Date.parse(oldest))));
  }

  protected async clearBefore(tx: Tx, before: Date): Promise<void> {
    await forgetLedgerBefore(tx, before);
  }
}
