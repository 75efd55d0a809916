import { Prisma, type Tx } from '../../platform/index.js';

/** Holds a webhook's row until the transaction ends, so that of two changes the second sees the first. Raw because Prisma has no row locks. */
export async function lockWebhook(tx: Tx, webhookId: string): Promise<void> {
  await tx.$queryRaw(Prisma.sql`SELECT 1 FROM webhooks WHERE webhook_id = ${webhookId}::uuid FOR UPDATE`);
}
