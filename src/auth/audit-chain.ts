import { createHash } from 'node:crypto';
import type { AuditRow } from './audit.sql.js';

/** What stands before the first row. */
export const GENESIS: Uint8Array<ArrayBuffer> = new Uint8Array(32);

/**
 * The hash of a row: SHA-256 over the 32 bytes of the previous row's hash, then the UTF-8 of the JSON array
 * `[tenant_id, sequence, recorded_at, key_id, request_id, action, subject_type, subject_id, before, after]`, without white
 * space. The sequence is a decimal string, the time RFC 3339 UTC with milliseconds, `before` and `after` the stored text as a
 * string, or null.
 */
export function hashOf(row: Omit<AuditRow, 'hash'>): Uint8Array<ArrayBuffer> {
  const content = [
    row.tenant_id, String(row.sequence), row.recorded_at.toISOString(), row.key_id, row.request_id, row.action, row.subject_type, row.subject_id, row.before, row.after,
  ];
  return new Uint8Array(createHash('sha256').update(row.previous_hash).update(JSON.stringify(content)).digest());
}

/** How far a chain has been followed. */
export interface Link {
  sequence: bigint;
  hash: Uint8Array;
}

/** A place where the chain does not hold. */
export interface Break {
  sequence: bigint;
  reason: string;
}

/** Follows the chain from `link` through rows in the order of their sequence. Answers the new end, or the first break. */
export function follow(link: Link, rows: AuditRow[]): Link | Break {
  let at = link;
  for (const row of rows) {
    const sequence = at.sequence + 1n;
    if (row.sequence !== sequence) return { sequence, reason: 'The record is missing.' };
    if (!same(row.previous_hash, at.hash)) return { sequence, reason: 'The record does not continue the one before it.' };
    if (!same(row.hash, hashOf(row))) return { sequence, reason: 'The record was changed after it had been written.' };
    at = { sequence, hash: row.hash };
  }
  return at;
}

function same(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}
