import { Injectable } from '@nestjs/common';
import { Audit, type Caller } from '../../auth/index.js';
import { Catalogues, withheld } from '../../events/index.js';
import { Clock, Database, pageOf, Problem, readCursor, Sealer, type Tx } from '../../platform/index.js';
import { Capture } from '../capture.js';
import { readRequest } from '../gate/read-request.js';
import { headersToKeep } from '../gate/request.js';
import { faultsIn, Validation } from '../gate/validation.js';
import { type LiveSource, LiveSources, type SourceRow, verifyAt } from '../sources/live-sources.js';
import type { QuarantinedView, QuarantinePage, Reverified } from './quarantine.dto.js';
import { detailOf, giveStableIds, type KeptRequest, requestPlace } from './quarantine.js';
import { listQuarantine, type QuarantinedRow } from './quarantine.sql.js';

/** Requests that are verified together: as many of the largest bodies are in memory at once. */
const CHUNK = 10;
const BODY_START_BYTES = 1_024;

/** Why a request stays in quarantine. */
interface Reason {
  reason: string;
  detail: string;
}

type Row = Reason & { quarantineId: string; request: string; body: Uint8Array; receivedAt: Date };

/** What waits in the quarantine of a source, and its second chance. */
@Injectable()
export class Reverification {
  constructor(
    private readonly db: Database, private readonly sealer: Sealer, private readonly clock: Clock, private readonly sources: LiveSources, private readonly validation: Validation, private readonly capture: Capture,
    private readonly catalogues: Catalogues, private readonly audit: Audit,
  ) {}

  /** Of what type a body is that was not believed, nobody knows: where any type holds what a caller may not see, they see none. */
  async list(tx: Tx, caller: Caller, source: SourceRow, limit: number, cursor?: string): Promise<QuarantinePage> {
    const live = this.sources.open(source);
    const isHidden = await this.catalogues.hidesBytes(caller);
    const rows = await listQuarantine(tx, source.sourceId, readCursor(cursor)?.[1], limit + 1, BODY_START_BYTES);
    return pageOf(rows, limit, (row) => [row.received_at.toISOString(), row.quarantine_id], (row) => this.view(row, live, isHidden));
  }

  /** The bytes of a quarantined request, and what it said they are. */
  async body(tx: Tx, caller: Caller, { sourceId }: SourceRow, quarantineId: string): Promise<{ body: Uint8Array; contentType: string | null }> {
    if (await this.catalogues.hidesBytes(caller)) throw withheld();
    const row = await tx.quarantinedRequest.findFirst({ where: { quarantineId, sourceId } });
    if (!row) throw Problem.notFound('quarantined request');
    return { body: row.body, contentType: this.open(row.quarantineId, row.request)?.headers['content-type'] ?? null };
  }

  /**
   * Verifies up to `limit` again, the oldest first: by the secrets and schemas there are now, signed times as of when they came;
   * what has once been believed stays so.
   * Those that pass are stored like any other request, exactly once however often this is done, and leave the quarantine. Of one
   * that stays, with a new reason perhaps, those events are stored that are valid.
   */
  async reverify(caller: Caller, row: SourceRow, limit: number): Promise<Reverified> {
    const source = this.sources.open(row);
    if (source.fault) throw new Problem('conflict', `${source.fault} Give the source new ones.`);
    const outcome: Reverified = { verified: 0, still_refused: 0 };
    for (let after = '00000000-0000-0000-0000-000000000000'; outcome.verified + outcome.still_refused < limit; ) {
      const rows = await this.db.client.quarantinedRequest.findMany({
        where: { sourceId: row.sourceId, quarantineId: { gt: after } }, orderBy: { quarantineId: 'asc' }, take: Math.min(CHUNK, limit - outcome.verified - outcome.still_refused),
      });
      if (rows.length === 0) break;
      const reasons = await Promise.all(rows.map((one) => this.store(source, one)));
      const passed = rows.filter((_, index) => !reasons[index]).map(({ quarantineId }) => quarantineId);
      for (const [index, reason] of reasons.entries()) {
        const { quarantineId, ...before } = rows[index]!;
        if (reason && reason.detail !== before.detail) await this.db.client.quarantinedRequest.updateMany({ where: { quarantineId }, data: { reason: reason.reason, detail: reason.detail } });
      }
      await this.db.client.quarantinedRequest.deleteMany({ where: { quarantineId: { in: passed } } });
      outcome.verified += passed.length;
      outcome.still_refused += rows.length - passed.length;
      after = rows.at(-1)!.quarantineId;
    }
    await this.db.transaction((tx) => this.audit.record(tx, caller, { action: 'source.reverified', subject_type: 'source', subject_id: row.sourceId, after: outcome }));
    return outcome;
  }

  /** Stores what is genuine after all, and valid. Answers why the request stays, if it does. */
  private async store(source: LiveSource, { quarantineId, request, body, receivedAt, reason, detail }: Row): Promise<Reason | undefined> {
    const kept = this.open(quarantineId, request);
    if (!kept) return { reason, detail };
    const inbound = { ...kept, body: Buffer.from(body) };
    // One that its schema refused was believed when it came, by secrets that may be gone.
    const refusal = reason === 'invalid' ? undefined : verifyAt(source, inbound, receivedAt.getTime(), this.clock.now());
    if (refusal) return { reason: refusal.reason, detail: detailOf(refusal.detail) };
    const { request: inboundRequest } = readRequest({ ...source, token: kept.token }, inbound);
    const { events } = inboundRequest;
    for (const event of events) event.occurredAt ??= receivedAt.getTime();
    giveStableIds(quarantineId, events);
    const refused = await this.validation.hold(source, events);
    try {
      await this.capture.receive({ ...inboundRequest, receivedAt: receivedAt.getTime(), events: events.filter((event) => !refused.has(event)) });
    } catch (error) {
      // One that cannot be stored must not keep the others.
      if (error instanceof Problem && error.code === 'internal') return { reason, detail };
      throw error;
    }
    return refused.size === 0 ? undefined : { reason: 'invalid', detail: detailOf(Problem.invalid(...faultsIn(events, refused)).detail) };
  }

  private view(row: QuarantinedRow, { unwantedHeaders }: LiveSource, isHidden: boolean): QuarantinedView {
    const { headers, token }: Pick<KeptRequest, 'headers' | 'token'> = this.open(row.quarantine_id, row.request) ?? { headers: {} };
    return {
      quarantine_id: row.quarantine_id, received_at: row.received_at.toISOString(), reason: row.reason, detail: row.detail,
      content_type: headers['content-type'] ?? null, headers: headersToKeep(headers, { unwantedHeaders, token }), byte_count: row.byte_count, body_start: isHidden ? null : Buffer.from(row.body_start).toString('utf8'),
    };
  }

  /** Undefined when it was sealed with a key that is gone. */
  private open(quarantineId: string, request: string): KeptRequest | undefined {
    try {
      return JSON.parse(this.sealer.open(request, requestPlace(quarantineId))) as KeptRequest;
    } catch {
      return undefined;
    }
  }
}
