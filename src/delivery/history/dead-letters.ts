import { Injectable } from '@nestjs/common';
import type { Caller } from '../../auth/index.js';
import { Catalogues } from '../../events/index.js';
import { Config, Database, laneOn, pageOf, Problem, readCursor } from '../../platform/index.js';
import { DeadLetterGroupView, type DeadLetterPage, type DeadLetterSummary, DeadLetterView } from './dead-letters.dto.js';
import { type DeadLetterFilter, findDeadLetter, listDeadLetters, summarizeDeadLetters } from './dead-letters.sql.js';
import { Lines } from '../order/lines.js';
import { unblock } from '../order/lines.sql.js';
import { findDelivery, listAttempts } from './deliveries.sql.js';

const MAX_GROUPS = 1_000;

/** Deliveries that were given up, to be looked through. Sending them again is a resend. */
@Injectable()
export class DeadLetters {
  constructor(private readonly db: Database, private readonly config: Config, private readonly lines: Lines, private readonly catalogues: Catalogues) {}

  async list(caller: Caller, filter: DeadLetterFilter, limit: number, cursor?: string): Promise<DeadLetterPage> {
    const rows = await listDeadLetters(this.db.client, caller.tenantId, filter, readCursor(cursor), limit + 1);
    const isSecret = await this.catalogues.secrecyFor(caller);
    return pageOf(rows, limit, (row) => [row.died_at.toISOString(), row.delivery_id], (row) => DeadLetterView.of(row, this.config.deadLetterRetentionMs, isSecret(row.event_type)));
  }

  /** One dead letter with all its attempts. */
  async get(caller: Caller, deliveryId: string): Promise<DeadLetterView> {
    const row = await findDeadLetter(this.db.client, caller.tenantId, deliveryId);
    if (!row) throw Problem.notFound('dead letter');
    const delivery = await findDelivery(this.db.client, caller.tenantId, deliveryId);
    const isSecret = await this.catalogues.secrecyFor(caller);
    return DeadLetterView.of(row, this.config.deadLetterRetentionMs, isSecret(row.event_type), delivery ? await listAttempts(this.db.client, delivery) : []);
  }

  /** Lets the line of an ordered webhook go on without the dead letter that it stands still behind. The letter stays. */
  async skip(caller: Caller, deliveryId: string): Promise<DeadLetterView> {
    const letter = await findDeadLetter(this.db.client, caller.tenantId, deliveryId);
    if (!letter) throw Problem.notFound('dead letter');
    const line = await unblock(laneOn(this.db.client), letter.webhook_id, deliveryId);
    if (!line) throw new Problem('conflict', 'Nothing stands still behind this dead letter.');
    await this.lines.advance([line]);
    return this.get(caller, deliveryId);
  }

  async summarize(caller: Caller, filter: DeadLetterFilter): Promise<DeadLetterSummary> {
    const data = (await summarizeDeadLetters(this.db.client, caller.tenantId, filter, MAX_GROUPS)).map(DeadLetterGroupView.of);
    return { total_count: data.reduce((sum, { count }) => sum + count, 0), data };
  }
}
