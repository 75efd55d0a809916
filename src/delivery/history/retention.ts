import { Injectable } from '@nestjs/common';
import { DailyPartitions, type Tx } from '../../platform/index.js';
import { expireBefore } from './retention.sql.js';

/** The days of the delivery history. What still waits from one that goes (for a webhook paused so long) becomes a dead letter. */
@Injectable()
export class DeliveryRetention extends DailyPartitions {
  protected readonly tables = ['deliveries', 'attempts'];

  protected async clearBefore(tx: Tx, before: Date): Promise<void> {
    const expired = await expireBefore(tx, before, new Date(this.clock.now()));
    if (expired > 0) this.log.warn({ deliveries: expired }, 'deliveries that waited past the retention were given up');
  }
}
