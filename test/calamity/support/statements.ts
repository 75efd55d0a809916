import type { Trap } from './postgres-proxy.js';

/**
 * Where a connection can be caught: statements of the product, told apart by words that stand in no other. When one of
 * them is rewritten, its trap catches nothing and says so.
 */
export const CLAIM = { statement: 'UPDATE delivery_queue q SET claimed_by', withRows: true } satisfies Partial<Trap>;
export const SETTLE = { statement: 'DELETE FROM delivery_queue q USING incoming' } satisfies Partial<Trap>;
export const APPEND_COMMIT = { statement: 'COMMIT', transaction: 'INSERT INTO event_ledger' } satisfies Partial<Trap>;
export const UNNAMED_COMMIT = { statement: 'COMMIT', transaction: 'INSERT INTO events' } satisfies Partial<Trap>;
export const NOTICE_COMMIT = { statement: 'COMMIT', transaction: 'INSERT INTO inbound_ledger' } satisfies Partial<Trap>;
export const CONFLICT_COMMIT = { statement: 'COMMIT', transaction: 'INSERT INTO inbound_conflicts' } satisfies Partial<Trap>;
/** The second part of a batch. */
export const HALF_WRITTEN = { statement: 'INSERT INTO events', transaction: 'INSERT INTO events' } satisfies Partial<Trap>;
export const DRAIN_COMMIT = { statement: 'COMMIT', transaction: 'INSERT INTO spool_segments' } satisfies Partial<Trap>;
export const FAN_OUT_READ = { statement: 'AS about', withRows: true } satisfies Partial<Trap>;
export const FAN_OUT_INSERT = { statement: 'INSERT INTO deliveries' } satisfies Partial<Trap>;
export const FAN_OUT_COMMIT = { statement: 'COMMIT', transaction: 'INSERT INTO deliveries' } satisfies Partial<Trap>;
export const FAN_OUT_COUNT = { statement: 'INSERT INTO filtered_events' } satisfies Partial<Trap>;
export const REDRIVE_CHUNK = { statement: 'USING picked' } satisfies Partial<Trap>;
export const REDRIVE_COMMIT = { statement: 'COMMIT', transaction: 'USING picked' } satisfies Partial<Trap>;
export const REPLAY_CHUNK = { statement: 'WITH ORDINALITY AS i' } satisfies Partial<Trap>;
export const REPLAY_COMMIT = { statement: 'COMMIT', transaction: 'WITH ORDINALITY AS i' } satisfies Partial<Trap>;
/** Of an export over 1 to 3 December 2024: the second day is read, a day is put on record, all are to be shown, one was shown, it is done. */
export const EXPORT_DAY = { statement: "r.date >= '2024-12-02'::date" } satisfies Partial<Trap>;
export const EXPORT_RECORDED = { statement: 'COMMIT', transaction: 'INSERT INTO "public"."export_files"' } satisfies Partial<Trap>;
export const EXPORT_TO_BE_SHOWN = { statement: 'UPDATE "public"."exports" SET "status" = $1, "failures" = $2' } satisfies Partial<Trap>;
export const EXPORT_SHOWN = { statement: 'UPDATE "public"."export_files"' } satisfies Partial<Trap>;
export const EXPORT_DONE = { statement: 'COMMIT', transaction: '"unchanged" = $' } satisfies Partial<Trap>;
