import { Prisma, type Tx } from '../platform/index.js';
import { OPERATIONAL_TYPES } from './match.js';

/** What fan-out needs to know of an event. `about` is the webhook that an operational event reports on. */
export interface FanOutEvent {
  tenant_id: string;
  event_id: string;
  event_type: string;
  about: string | null;
}

/** The events of one batch of one tenant: a walk of the primary key, which they stand next to each other in. */
export async function readBatch(tx: Tx, tenantId: string, recordedAt: Date, eventIds: string[]): Promise<FanOutEvent[]> {
  return tx.$queryRaw<FanOutEvent[]>(Prisma.sql`
    SELECT tenant_id, event_id, event_type,
           CASE WHEN event_type = ANY(${[...OPERATIONAL_TYPES]}) THEN data ->> 'webhook_id' END AS about
      FROM events
     WHERE tenant_id = ${tenantId}::uuid AND recorded_at = ${recordedAt} AND event_id = ANY(${eventIds})
     ORDER BY event_id`);
}

export interface NewDelivery {
  deliveryId: string;
  webhookId: string;
  event: Pick<FanOutEvent, 'event_id' | 'event_type'>;
}

// Keeps one statement's JSON parameter near 1 MB.
const ROWS_PER_STATEMENT = 4_000;

/**
 * Writes deliveries and their places in the queue, due now. Raw because both tables are written by one statement with one
 * JSON parameter.
 */
export async function insertDeliveries(tx: Tx, tenantId: string, createdAt: Date, recordedAt: Date, deliveries: NewDelivery[]): Promise<void> {
  for (let at = 0; at < deliveries.length; at += ROWS_PER_STATEMENT) {
    const input = deliveries.slice(at, at + ROWS_PER_STATEMENT).map(({ deliveryId, webhookId, event }) => ({ d: deliveryId, w: webhookId, e: event.event_id, y: event.event_type }));
    await tx.$executeRaw(Prisma.sql`
      WITH incoming AS MATERIALIZED (
        SELECT * FROM json_to_recordset(${JSON.stringify(input)}::json) AS r(d uuid, w uuid, e text, y text)
      ), recorded AS (
        INSERT INTO deliveries (tenant_id, created_at, delivery_id, webhook_id, event_id, event_recorded_at, event_type, status, next_attempt_at)
        SELECT ${tenantId}::uuid, ${createdAt}, d, w, e, ${recordedAt}, y, 'pending', ${createdAt} FROM incoming
      )
      INSERT INTO delivery_queue (webhook_id, due_at, delivery_id, tenant_id, created_at, event_id, event_recorded_at, attempt, round_start, trigger)
      SELECT w, ${createdAt}, d, ${tenantId}::uuid, ${createdAt}, e, ${recordedAt}, 1, 1, 'event' FROM incoming`);
  }
}
