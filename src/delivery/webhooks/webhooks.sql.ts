import { Prisma, type Tx } from '../../platform/index.js';

/** Holds a webhook's row until the transaction ends, so that of two changes the second sees the first. Rows that refer to it can still be written, else those who write what we wait for would wait for us. Raw because Prisma has no row locks. */
export async function lockWebhook(tx: Tx, webhookId: string): Promise<void> {
  await tx.$queryRaw(Prisma.sql`SELECT 1 FROM webhooks WHERE webhook_id = ${webhookId}::uuid FOR NO KEY UPDATE`);
}

/** Makes others who add a webhook to the tenant wait until the transaction ends, so that the next statement counts theirs. */
export async function lockWebhookQuota(tx: Tx, tenantId: string): Promise<void> {
  await tx.$executeRaw(Prisma.sql`SELECT pg_advisory_xact_lock(hashtextextended('webhooks of ' || ${tenantId}, 0))`);
}
