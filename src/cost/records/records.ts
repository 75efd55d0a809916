import { Injectable } from '@nestjs/common';
import type { Caller } from '../../auth/index.js';
import { Clock, Database, type Fault, Problem, Turns, type Tx, uuidv7 } from '../../platform/index.js';
import { readRecords } from './read-records.js';
import type { InsertedRecords } from './records.dto.js';
import { insertRecords, makeMonths } from './records.sql.js';

/** A caller who gets one field wrong gets it wrong in every record. */
const MAX_FAULTS = 100;

/** Daily costs that callers bring themselves. */
@Injectable()
export class CostRecords {
  constructor(private readonly db: Database, private readonly clock: Clock) {}

  /** Stores all records of a body, or none; `inTx` joins what must commit with them. */
  async insert(caller: Caller, text: string | undefined, body: unknown, inTx: (tx: Tx, inserted: InsertedRecords) => Promise<unknown> = async () => {}): Promise<InsertedRecords> {
    const now = this.clock.now();
    // Ten thousand records take a fifth of a second to read.
    const turns = new Turns();
    const faults: Fault[] = [];
    const months = new Set<string>();
    const record_ids: string[] = [];
    const rows: string[] = [];
    for (const read of readRecords(text, body, now)) {
      if (Array.isArray(read)) {
        faults.push(...read);
        if (faults.length >= MAX_FAULTS) break;
      } else if (faults.length === 0) {
        const record_id = uuidv7(now);
        record_ids.push(record_id);
        months.add(read.date.slice(0, 7).replace('-', ''));
        rows.push(JSON.stringify({ ...read, record_id }));
      }
      if (turns.isOver) await turns.next();
    }
    if (faults.length > 0) throw Problem.invalid(...faults.slice(0, MAX_FAULTS));
    const inserted = { record_count: rows.length, record_ids };
    await this.db.transaction(async (tx) => {
      await makeMonths(tx, [...months]);
      await insertRecords(tx, caller.tenantId, `[${rows.join(',')}]`);
      await inTx(tx, inserted);
    });
    return inserted;
  }
}
