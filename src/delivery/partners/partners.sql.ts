import { Prisma, type Tx, type Webhook } from '../../platform/index.js';

/** Holds a tenant's partner until the transaction ends. False when there is none. Raw, as the others here, because Prisma has no row locks. */
export async function lockPartner(tx: Tx, tenantId: string, partnerId: string): Promise<boolean> {
  const rows = await tx.$queryRaw<unknown[]>(Prisma.sql`
    SELECT 1 FROM partners WHERE partner_id = ${partnerId}::uuid AND tenant_id = ${tenantId}::uuid AND deleted_at IS NULL FOR UPDATE`);
  return rows.length > 0;
}

/** Holds a subscription until the transaction ends, so that of two decisions the second sees the first. */
export async function lockSubscription(tx: Tx, subscriptionId: string): Promise<void> {
  await tx.$queryRaw(Prisma.sql`SELECT 1 FROM subscriptions WHERE subscription_id = ${subscriptionId}::uuid FOR UPDATE`);
}

/** Holds the open subscriptions of a webhook, in the order of their ids. Leans on the webhook's index. */
export async function lockOpenSubscriptions(tx: Tx, webhookId: string): Promise<string[]> {
  const rows = await tx.$queryRaw<{ subscription_id: string }[]>(Prisma.sql`
    SELECT subscription_id FROM subscriptions WHERE webhook_id = ${webhookId}::uuid AND status IN ('pending', 'approved') ORDER BY subscription_id FOR UPDATE`);
  return rows.map(({ subscription_id }) => subscription_id);
}

/** The patterns that approved subscriptions of a webhook name; null for one that belongs to no partner, which needs none. */
export async function approvedPatterns(tx: Tx, { webhookId, partnerId }: Pick<Webhook, 'webhookId' | 'partnerId'>): Promise<string[] | null> {
  if (partnerId === null) return null;
  const rows = await tx.subscription.findMany({ where: { webhookId, status: 'approved' }, select: { events: true } });
  return rows.flatMap(({ events }) => events);
}
