import { Injectable } from '@nestjs/common';
import { Clock, pageOf, readCursor, type Tx } from '../platform/index.js';
import { follow, GENESIS, hashOf, type Link } from './audit-chain.js';
import { type AuditPage, AuditRecordView, type AuditVerification } from './audit.dto.js';
import { type AuditFilter, insertAuditRow, listAuditRows, lockAudit, readAuditChunk, readAuditHead } from './audit.sql.js';
import type { Caller } from './caller.js';

/** One change, as it is put on record. Whoever records it leaves secrets out of `before` and `after`. */
export interface Change {
  /** Past tense, `subject.verb-ed`. */
  action: string;
  subject_type: string;
  subject_id: string;
  before?: object;
  after?: object;
}

/** Rows that one step of a verification reads. */
const CHUNK = 1_000;

/** The audit log: per tenant a chain of records that only grows. */
@Injectable()
export class Audit {
  constructor(private readonly clock: Clock) {}

  /**
   * Puts a change on record in the transaction that makes it. From here to the end of the transaction others of the tenant
   * wait to record theirs, so this comes last, after every row lock.
   */
  async record(tx: Tx, caller: Caller, { action, subject_type, subject_id, before, after }: Change): Promise<void> {
    await lockAudit(tx, caller.tenantId);
    const head = await readAuditHead(tx, caller.tenantId);
    const row = {
      tenant_id: caller.tenantId, sequence: (head?.sequence ?? 0n) + 1n, recorded_at: new Date(this.clock.now()), key_id: caller.keyId, request_id: caller.requestId ?? null,
      action, subject_type, subject_id, before: before ? JSON.stringify(before) : null, after: after ? JSON.stringify(after) : null, previous_hash: head?.hash ?? GENESIS,
    };
    await insertAuditRow(tx, { ...row, hash: hashOf(row) });
  }

  async list(tx: Tx, caller: Caller, filter: AuditFilter, limit: number, cursor?: string): Promise<AuditPage> {
    const after = readCursor(cursor, /^[1-9]\d{0,17}$/);
    const rows = await listAuditRows(tx, caller.tenantId, filter, after && BigInt(after[1]), limit + 1);
    return pageOf(rows, limit, (row) => [row.recorded_at.toISOString(), String(row.sequence)], AuditRecordView.of);
  }

  /** Recomputes the tenant's chain up to where it ends now, a chunk at a time. Takes no lock: what is there does not change. */
  async verify(tx: Tx, caller: Caller): Promise<AuditVerification> {
    let link: Link = { sequence: 0n, hash: GENESIS };
    const head = (await readAuditHead(tx, caller.tenantId)) ?? link;
    while (link.sequence < head.sequence) {
      const rows = await readAuditChunk(tx, caller.tenantId, link.sequence, head.sequence, CHUNK);
      const next = follow(link, rows);
      if ('reason' in next) return { valid: false, records: Number(head.sequence), head_hash: hexOf(head.hash), first_broken_sequence: Number(next.sequence), reason: next.reason };
      link = next;
    }
    return { valid: true, records: Number(link.sequence), head_hash: hexOf(link.hash), first_broken_sequence: null, reason: null };
  }
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
