import { Injectable } from '@nestjs/common';
import { Database, Metrics } from '../../platform/index.js';
import { countByStatus } from './exports.sql.js';

/** How many exports are in which state, read when Prometheus asks. */
@Injectable()
export class ExportGauges {
  constructor(private readonly db: Database, metrics: Metrics) {
    metrics.gaugesOf('lakehook_exports', 'Exports on record, by status.', 'status', () => this.read());
  }

  private async read(): Promise<Record<string, number>> {
    try {
      return Object.fromEntries((await countByStatus(this.db.client)).map(({ status, count }) => [status, count]));
    } catch {
      // A scrape must answer while the database is away.
      return {};
    }
  }
}
