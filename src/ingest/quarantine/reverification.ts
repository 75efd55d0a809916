import { Injectable } from '@nestjs/common';
import { Audit, type Caller } from '../../auth/index.js';
import { Clock, Database, derivedUuid, pageOf, Problem, readCursor, Sealer, type Tx } from '../../platform/index.js';
import { Capture } from '../capture.js';
import { readRequest } from '../gate/read-request.js';
import { headersToKeep } from '../gate/request.js';
import { type LiveSource, LiveSources, type SourceRow, verifyAt } from '../sources/live-sources.js';
import type { QuarantinedView, QuarantinePage, Reverified } from './quarantine.dto.js';
import { type KeptRequest, requestPlace } from './quarantine.js';
import { listQuarantine, type QuarantinedRow } from './quarantine.sql.js';

/** Requests that are verified together: as many of the largest bodies are in memory at once. */
const CHUNK = 10;
const BODY_START_BYTES = 1_024;

/** What waits in the quarantine of a source, and its second chance. */
@Injectable()
export class Reverification {
  constructor(private readonly db: Database, private readonly sealer: Sealer, private readonly clock: Clock, private readonly sources: LiveSources, private readonly capture: Capture, private readonly audit: Audit) {}

  async list(tx: Tx, source: SourceRow, limit: number, cursor?: string): Promise<QuarantinePage> {
    const live = this.sources.open(source);
    const rows = await listQuarantine(tx, source.sourceId, readCursor(cursor)?.[1], limit + 1, BODY_START_BYTES);
    return pageOf(rows, limit, (row) => [row.received_at.toISOString(), row.quarantine_id], (row) => this.view(row, live));
  }

  /** The bytes of a quarantined request, and what it said they are. */
  async body(tx: Tx, { sourceId }: SourceRow, quarantineId: string): Promise<{ body: Uint8Array; contentType: string | null }> {
    const row = await tx.quarantinedRequest.findFirst({ where: { quarantineId, sourceId } });
    if (!row) throw Problem.notFound('quarantined request');
    return { body: row.body, contentType: this.open(row.quarantineId, row.request)?.headers['content-type'] ?? null };
  }

  /**
   * Verifies up to `limit` again, the oldest first: by the secrets there are now, signed times as of when they came. Those that
   * pass are stored like any other request, exactly once however often this is done, and leave the quarantine.
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
      const passed = (await Promise.all(rows.map(async (one) => ((await this.store(source, one)) ? [one.quarantineId] : [])))).flat();
      await this.db.client.quarantinedRequest.deleteMany({ where: { quarantineId: { in: passed } } });
      outcome.verified += passed.length;
      outcome.still_refused += rows.length - passed.length;
      after = rows.at(-1)!.quarantineId;
    }
    await this.db.transaction((tx) => this.audit.record(tx, caller, { action: 'source.reverified', subject_type: 'source', subject_id: row.sourceId, after: outcome }));
    return outcome;
  }

  /** Stores a request if it is genuine after all. Answers whether it was. */
  private async store(source: LiveSource, { quarantineId, request, body, receivedAt }: { quarantineId: string; request: string; body: Uint8Array; receivedAt: Date }): Promise<boolean> {
    const kept = this.open(quarantineId, request);
    if (!kept) return false;
    const inbound = { ...kept, body: Buffer.from(body) };
    if (verifyAt(source, inbound, receivedAt.getTime(), this.clock.now())) return false;
    const { request: inboundRequest } = readRequest(source, inbound);
    inboundRequest.events.forEach((event, index) => {
      event.occurredAt ??= receivedAt.getTime();
      // Without an id of the provider's, this is what a second time is known by.
      if (!event.known) event.eventId = derivedUuid(quarantineId, index);
    });
    try {
      await this.capture.receive(inboundRequest);
      return true;
    } catch (error) {
      // One that cannot be stored must not keep the others.
      if (error instanceof Problem && error.code === 'internal') return false;
      throw error;
    }
  }

  private view(row: QuarantinedRow, { unwantedHeaders }: LiveSource): QuarantinedView {
    const headers = this.open(row.quarantine_id, row.request)?.headers ?? {};
    return {
      quarantine_id: row.quarantine_id, received_at: row.received_at.toISOString(), reason: row.reason, detail: row.detail,
      content_type: headers['content-type'] ?? null, headers: headersToKeep(headers, unwantedHeaders), byte_count: row.byte_count, body_start: Buffer.from(row.body_start).toString('utf8'),
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
