import { Injectable } from '@nestjs/common';
import type { Caller } from '../../auth/index.js';
import { Catalogues, withheld } from '../../events/index.js';
import { pageOf, Problem, readCursor, type Tx } from '../../platform/index.js';
import type { ConflictPage } from './conflicts.dto.js';

/** Ids that a provider used again for something else. */
@Injectable()
export class Conflicts {
  constructor(private readonly catalogues: Catalogues) {}

  async list(tx: Tx, sourceId: string, limit: number, cursor?: string): Promise<ConflictPage> {
    const after = readCursor(cursor);
    const rows = await tx.inboundConflict.findMany({
      where: { sourceId, ...(after && { conflictId: { lt: after[1] } }) }, omit: { body: true }, orderBy: { conflictId: 'desc' }, take: limit + 1,
    });
    return pageOf(rows, limit, (row) => [row.receivedAt.toISOString(), row.conflictId], (row) => ({
      conflict_id: row.conflictId, provider_event_id: row.providerEventId, event_id: row.eventId, received_at: row.receivedAt.toISOString(),
      content_type: row.contentType, byte_count: row.byteCount, body_sha256: Buffer.from(row.bodySha256).toString('hex'),
    }));
  }

  /** The other bytes, of a type that nobody has noted. */
  async body(tx: Tx, caller: Caller, sourceId: string, conflictId: string): Promise<{ body: Uint8Array; contentType: string | null }> {
    const row = await tx.inboundConflict.findFirst({ where: { conflictId, sourceId } });
    if (!row) throw Problem.notFound('conflict');
    if (await this.catalogues.hidesBytes(caller)) throw withheld();
    return row;
  }
}
