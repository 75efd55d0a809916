import { Injectable } from '@nestjs/common';
import { Audit, type Caller } from '../../auth/index.js';
import { Clock, pageOf, type Partner, type Prisma, Problem, readCursor, type Tx, uuidv7 } from '../../platform/index.js';
import { type ChangePartner, type CreatePartner, type PartnerPage, PartnerView } from './partners.dto.js';
import { lockPartner } from './partners.sql.js';

const METADATA_BYTES = 16 * 1024;

/** Those outside who receive events. Of contact and metadata, which may name people, the audit log holds only that they changed. */
@Injectable()
export class Partners {
  constructor(private readonly clock: Clock, private readonly audit: Audit) {}

  async create(tx: Tx, caller: Caller, { name, contact, metadata }: CreatePartner): Promise<PartnerView> {
    const partnerId = uuidv7(this.clock.now());
    const row = await tx.partner.create({ data: { partnerId, tenantId: caller.tenantId, name, contact, metadata: storable(metadata) } });
    await this.record(tx, caller, 'created', partnerId, { after: { name: row.name } });
    return PartnerView.of(row);
  }

  async list(tx: Tx, caller: Caller, limit: number, cursor?: string): Promise<PartnerPage> {
    const after = readCursor(cursor);
    const rows = await tx.partner.findMany({
      where: { tenantId: caller.tenantId, deletedAt: null, ...(after && { partnerId: { lt: after[1] } }) }, orderBy: { partnerId: 'desc' }, take: limit + 1,
    });
    return pageOf(rows, limit, (row) => [row.createdAt.toISOString(), row.partnerId], PartnerView.of);
  }

  async get(tx: Tx, caller: Caller, partnerId: string): Promise<PartnerView> {
    return PartnerView.of(await this.find(tx, caller, partnerId));
  }

  /** Sets the fields given, and only those. */
  async change(tx: Tx, caller: Caller, partnerId: string, changes: ChangePartner): Promise<PartnerView> {
    const before = await this.lock(tx, caller, partnerId);
    const row = await tx.partner.update({ where: { partnerId }, data: { name: changes.name, contact: changes.contact, metadata: changes.metadata && storable(changes.metadata), updatedAt: new Date(this.clock.now()) } });
    await this.record(tx, caller, 'changed', partnerId, { before: { name: before.name }, after: { name: row.name, fields: Object.keys(changes).sort() } });
    return PartnerView.of(row);
  }

  /** Deletes a partner that has nothing left: no webhook and no open subscription. Its past stays readable. */
  async delete(tx: Tx, caller: Caller, partnerId: string): Promise<void> {
    const { name } = await this.lock(tx, caller, partnerId);
    const subscriptions = await tx.subscription.count({ where: { partnerId, status: { in: ['pending', 'approved'] } } });
    const webhooks = await tx.webhook.count({ where: { partnerId, deletedAt: null } });
    if (subscriptions + webhooks > 0) {
      throw new Problem('conflict', `The partner still has ${webhooks} webhook(s) and ${subscriptions} pending or approved subscription(s). Delete and cancel them first.`);
    }
    await tx.partner.update({ where: { partnerId }, data: { deletedAt: new Date(this.clock.now()) } });
    await this.record(tx, caller, 'deleted', partnerId, { before: { name } });
  }

  private async find(tx: Tx, caller: Caller, partnerId: string): Promise<Partner> {
    const row = await tx.partner.findFirst({ where: { partnerId, tenantId: caller.tenantId, deletedAt: null } });
    if (!row) throw Problem.notFound('partner');
    return row;
  }

  private async lock(tx: Tx, caller: Caller, partnerId: string): Promise<Partner> {
    await lockPartner(tx, caller.tenantId, partnerId);
    return this.find(tx, caller, partnerId);
  }

  private record(tx: Tx, caller: Caller, verb: string, partnerId: string, change: { before?: object; after?: object }): Promise<void> {
    return this.audit.record(tx, caller, { action: `partner.${verb}`, subject_type: 'partner', subject_id: partnerId, ...change });
  }
}

function storable(metadata: Record<string, unknown>): Prisma.InputJsonObject {
  if (Buffer.byteLength(JSON.stringify(metadata)) > METADATA_BYTES) throw Problem.invalid({ pointer: '/metadata', detail: `must not be larger than ${METADATA_BYTES} bytes` });
  return metadata as Prisma.InputJsonObject;
}
