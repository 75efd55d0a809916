import { Injectable } from '@nestjs/common';
import { Audit, type Caller } from '../../auth/index.js';
import { Events } from '../../events/index.js';
import { Clock, laneOn, pageOf, Problem, readCursor, type Subscription, type Tx, uuidv7 } from '../../platform/index.js';
import { Webhooks } from '../webhooks/webhooks.js';
import { lockWebhook } from '../webhooks/webhooks.sql.js';
import { type ListSubscriptions, type RequestSubscription, type SubscriptionPage, SubscriptionView } from './partners.dto.js';
import { lockOpenSubscriptions, lockPartner, lockSubscription } from './partners.sql.js';

/**
 * What partners are subscribed to: `pending → approved → cancelled`, or from `pending` to `rejected` or `cancelled`.
 *
 * Every step is one transaction: the new state, its operational event and its audit record, under locks taken in the order
 * webhook, partner, subscription, audit log. An open (pending or approved) subscription keeps its partner from being deleted, and
 * is cancelled with its webhook, so its webhook and partner exist.
 */
@Injectable()
export class Subscriptions {
  constructor(private readonly clock: Clock, private readonly webhooks: Webhooks, private readonly events: Events, private readonly audit: Audit) {}

  async request(tx: Tx, caller: Caller, { partner_id, webhook_id, events, note }: RequestSubscription): Promise<SubscriptionView> {
    await lockWebhook(tx, webhook_id);
    const webhook = await tx.webhook.findFirst({ where: { webhookId: webhook_id, tenantId: caller.tenantId, deletedAt: null } });
    if (!webhook) throw Problem.invalid({ pointer: '/webhook_id', detail: 'names no webhook' });
    if (!(await lockPartner(tx, caller.tenantId, partner_id))) throw Problem.invalid({ pointer: '/partner_id', detail: 'names no partner' });
    if (webhook.partnerId !== null && webhook.partnerId !== partner_id) throw ofAnother();
    const now = this.clock.now();
    const row = await tx.subscription.create({
      data: {
        subscriptionId: uuidv7(now), tenantId: caller.tenantId, partnerId: partner_id, webhookId: webhook_id, events, note,
        status: 'pending', requestedBy: caller.keyId, createdAt: new Date(now),
      },
    });
    return this.tell(tx, caller, 'requested', undefined, row);
  }

  /** From now on the webhook receives these types too. One that belonged to nobody belongs to the partner, and receives nothing else. */
  async approve(tx: Tx, caller: Caller, subscriptionId: string): Promise<SubscriptionView> {
    const { webhookId } = await this.find(tx, caller, subscriptionId);
    await lockWebhook(tx, webhookId);
    const row = await this.lock(tx, caller, subscriptionId);
    if (row.requestedBy === caller.keyId) throw new Problem('conflict', 'The key that requested a subscription cannot approve it. Approve it with another key.');
    requireState(row, ['pending'], 'approved');
    const webhook = await this.webhooks.find(tx, caller, webhookId);
    if (webhook.partnerId !== null && webhook.partnerId !== row.partnerId) throw ofAnother();
    if (webhook.partnerId === null) await tx.webhook.update({ where: { webhookId }, data: { partnerId: row.partnerId } });
    return this.move(tx, caller, row, 'approved', { decidedBy: caller.keyId, decidedAt: new Date(this.clock.now()) });
  }

  async reject(tx: Tx, caller: Caller, subscriptionId: string, reason: string): Promise<SubscriptionView> {
    const row = await this.lock(tx, caller, subscriptionId);
    requireState(row, ['pending'], 'rejected');
    return this.move(tx, caller, row, 'rejected', { decidedBy: caller.keyId, decidedAt: new Date(this.clock.now()), reason });
  }

  /** From now on no deliveries are made by it. Those that were made before go on. */
  async cancel(tx: Tx, caller: Caller, subscriptionId: string, reason: string | undefined): Promise<SubscriptionView> {
    const row = await this.lock(tx, caller, subscriptionId);
    requireState(row, ['pending', 'approved'], 'cancelled');
    return this.move(tx, caller, row, 'cancelled', { cancelledBy: caller.keyId, cancelledAt: new Date(this.clock.now()), reason });
  }

  /** Cancels what is open at a webhook that is about to be deleted in the same transaction. */
  async cancelAt(tx: Tx, caller: Caller, webhookId: string): Promise<void> {
    await lockWebhook(tx, webhookId);
    await this.webhooks.find(tx, caller, webhookId);
    for (const subscriptionId of await lockOpenSubscriptions(tx, webhookId)) await this.cancel(tx, caller, subscriptionId, 'Its webhook was deleted.');
  }

  async list(tx: Tx, caller: Caller, { status, partner_id, webhook_id, limit, cursor }: ListSubscriptions): Promise<SubscriptionPage> {
    const after = readCursor(cursor);
    const rows = await tx.subscription.findMany({
      where: { tenantId: caller.tenantId, status, partnerId: partner_id, webhookId: webhook_id, ...(after && { subscriptionId: { lt: after[1] } }) },
      orderBy: { subscriptionId: 'desc' }, take: limit + 1,
    });
    return pageOf(rows, limit, (row) => [row.createdAt.toISOString(), row.subscriptionId], SubscriptionView.of);
  }

  async get(tx: Tx, caller: Caller, subscriptionId: string): Promise<SubscriptionView> {
    return SubscriptionView.of(await this.find(tx, caller, subscriptionId));
  }

  private async find(tx: Tx, caller: Caller, subscriptionId: string): Promise<Subscription> {
    const row = await tx.subscription.findFirst({ where: { subscriptionId, tenantId: caller.tenantId } });
    if (!row) throw Problem.notFound('subscription');
    return row;
  }

  private async lock(tx: Tx, caller: Caller, subscriptionId: string): Promise<Subscription> {
    await lockSubscription(tx, subscriptionId);
    return this.find(tx, caller, subscriptionId);
  }

  private async move(tx: Tx, caller: Caller, before: Subscription, status: 'approved' | 'rejected' | 'cancelled', data: Partial<Subscription>): Promise<SubscriptionView> {
    const after = await tx.subscription.update({ where: { subscriptionId: before.subscriptionId }, data: { ...data, status } });
    return this.tell(tx, caller, status, before, after);
  }

  /** Publishes and records what was done, in the transaction that did it. */
  private async tell(tx: Tx, caller: Caller, verb: string, before: Subscription | undefined, after: Subscription): Promise<SubscriptionView> {
    const { subscription_id, partner_id, webhook_id, events, status, reason } = SubscriptionView.of(after);
    const data = JSON.stringify({ subscription_id, partner_id, webhook_id, events, status, reason });
    await this.events.append(laneOn(tx), caller.tenantId, [{ eventType: `subscription.${verb}`, data, metadata: '{}' }]);
    await this.audit.record(tx, caller, {
      action: `subscription.${verb}`, subject_type: 'subscription', subject_id: subscription_id,
      before: before && { status: before.status }, after: before ? { status, reason } : { partner_id, webhook_id, events, status },
    });
    return SubscriptionView.of(after);
  }
}

function requireState({ status }: Subscription, allowed: string[], wanted: string): void {
  if (!allowed.includes(status)) throw new Problem('conflict', `The subscription is ${status}. Only one that is ${allowed.join(' or ')} can be ${wanted}.`);
}

function ofAnother(): Problem {
  return new Problem('conflict', 'The webhook belongs to another partner.');
}
