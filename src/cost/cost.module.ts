import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/index.js';
import { CostRecordsController } from './records.controller.js';
import { CostRecords } from './records/records.js';

/**
 * # Cost: what was charged, by day
 *
 * Entity: a record, what one provider charged on one UTC day for one thing, in FOCUS's terms (`prisma/cost.prisma`).
 *
 * The way of records that a caller brings: `records.controller` → `records/read-records.ts` reads each from the body's text, where
 * numbers still have every digit, and names what is wrong → `records/records.sql.ts` makes the months that are missing and stores all rows
 * by one statement.
 *
 * Guaranteed: amounts are exact, to 21 digits behind the point; all records of a request are stored, or none; under an `Idempotency-Key`
 * they are stored once, whatever dies in between, because the answer is kept in the transaction that stores them. Not guaranteed: without a
 * key nothing tells a record sent twice from two of the same.
 */
@Module({ imports: [AuthModule], controllers: [CostRecordsController], providers: [CostRecords] })
export class CostModule {}
