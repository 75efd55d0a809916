import { Injectable } from '@nestjs/common';
import { DailyPartitions, type Tx } from '../platform/index.js';
import { forgetLedgerBefore } from './events.sql.js';

/** The days of the log. With a day go the ids that publishers chose for its events. */
@Injectable()
export class LogPartitions extends DailyPartitions {
  protected readonly tables = ['events'];

  protected async clearBefore(tx: Tx, before: Date): Promise<void> {
    await forgetLedgerBefore(tx, before);
  }
}
