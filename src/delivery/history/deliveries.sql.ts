import { Prisma, timeOfUuidv7, type Tx } from '../../platform/index.js';

export interface DeliveryRow {
  tenant_id: string;
  created_at: Date;
  delivery_id: string;
  webhook_id: string;
  event_id: string;
  event_recorded_at: Date;
  event_type: string;
  is_test: boolean;
  status: string;
  attempt_count: number;
  next_attempt_at: Date | null;
  completed_at: Date | null;
  resend_id: string | null;
}

export interface AttemptRow {
  attempt: number;
  started_at: Date;
  trigger: string;
  duration_ms: number | null;
  request_headers: Record<string, string> | null;
  response_status: number | null;
  response_headers: Record<string, string | string[]> | null;
  response_body: string | null;
  error_class: string | null;
  error: string | null;
}

/** Which deliveries; everything absent means all of them. */
export interface DeliveryFilter {
  webhookId?: string;
  eventId?: string;
  eventType?: string;
  status?: string;
  from?: Date;
  to?: Date;
}

type After = [time: string, id: string] | undefined;

/** The time inside a delivery id, which is also its row's `created_at`; undefined when no delivery has such an id. */
function createdAtOf(deliveryId: string): Date | undefined {
  const ms = timeOfUuidv7(deliveryId);
  return ms === undefined || ms > 253_402_300_799_999 ? undefined : new Date(ms);
}

/** One delivery, by the primary key: its id says which day it lies in. */
export async function findDelivery(tx: Tx, tenantId: string, deliveryId: string): Promise<DeliveryRow | undefined> {
  const createdAt = createdAtOf(deliveryId);
  if (!createdAt) return undefined;
  const [row] = await tx.$queryRaw<DeliveryRow[]>(Prisma.sql`
    SELECT * FROM deliveries WHERE tenant_id = ${tenantId}::uuid AND created_at = ${createdAt} AND delivery_id = ${deliveryId}::uuid`);
  return row;
}

/** The attempts of a delivery in order. Attempts begin after their delivery was made, which rules earlier days out. */
export async function listAttempts(tx: Tx, { delivery_id, created_at }: DeliveryRow): Promise<AttemptRow[]> {
  return tx.$queryRaw<AttemptRow[]>(Prisma.sql`
    SELECT attempt, started_at, trigger, duration_ms, request_headers, response_status, response_headers, response_body, error_class, error
      FROM attempts WHERE delivery_id = ${delivery_id}::uuid AND started_at >= ${new Date(created_at.getTime() - 60_000)}
     ORDER BY attempt, started_at`);
}

/** A page of deliveries, newest first. By webhook it leans on (webhook_id, created_at), by event on (event_id), else on the primary key. */
export async function listDeliveries(tx: Tx, tenantId: string, filter: DeliveryFilter, after: After, limit: number): Promise<DeliveryRow[]> {
  const where = [Prisma.sql`tenant_id = ${tenantId}::uuid`, ...conditions(filter)];
  if (filter.eventId !== undefined) where.push(Prisma.sql`event_id = ${filter.eventId}`);
  if (filter.status) where.push(Prisma.sql`status = ${filter.status}`);
  if (after) where.push(Prisma.sql`(created_at, delivery_id) < (${new Date(after[0])}, ${after[1]}::uuid)`);
  return tx.$queryRaw<DeliveryRow[]>(Prisma.sql`SELECT * FROM deliveries WHERE ${Prisma.join(where, ' AND ')} ORDER BY created_at DESC, delivery_id DESC LIMIT ${limit}`);
}

function conditions({ webhookId, eventType, from, to }: DeliveryFilter): Prisma.Sql[] {
  return [
    ...(webhookId ? [Prisma.sql`webhook_id = ${webhookId}::uuid`] : []),
    ...(eventType ? [Prisma.sql`event_type = ${eventType}`] : []),
    ...(from ? [Prisma.sql`created_at >= ${from}`] : []),
    ...(to ? [Prisma.sql`created_at < ${to}`] : []),
  ];
}

/**
 * Queues one more attempt of a delivery that has ended: due now, or if it died in a line of an ordered webhook, when its turn
 * comes. False when its state has changed meanwhile; else the key of that line, or null.
 */
export async function requeueEnded(tx: Tx, delivery: DeliveryRow, now: Date): Promise<{ orderKey: string | null } | false> {
  const { tenant_id, created_at, delivery_id, status } = delivery;
  const [queued] = await tx.$queryRaw<{ order_key: string | null }[]>(Prisma.sql`
    WITH marked AS (
      UPDATE deliveries SET status = 'pending', next_attempt_at = ${now}, completed_at = NULL
       WHERE tenant_id = ${tenant_id}::uuid AND created_at = ${created_at} AND delivery_id = ${delivery_id}::uuid AND status = ${status}
      RETURNING *
    ), raised AS (
      DELETE FROM dead_letters l USING marked m WHERE l.delivery_id = m.delivery_id RETURNING l.delivery_id, l.order_key, l.position
    )
    INSERT INTO delivery_queue (webhook_id, due_at, delivery_id, tenant_id, created_at, event_id, event_recorded_at, attempt, round_start, trigger, order_key, position)
    SELECT m.webhook_id, CASE WHEN r.order_key IS NULL THEN ${now}::timestamptz ELSE 'infinity' END, m.delivery_id, m.tenant_id, m.created_at, m.event_id, m.event_recorded_at,
           m.attempt_count + 1, m.attempt_count + 1, 'manual', r.order_key, r.position
      FROM marked m LEFT JOIN raised r ON r.delivery_id = m.delivery_id
    RETURNING order_key`);
  return queued ? { orderKey: queued.order_key } : false;
}

/** Whether a delivery waits behind others of its key. */
export async function waitsItsTurn(tx: Tx, { webhook_id, delivery_id }: DeliveryRow): Promise<boolean> {
  const rows = await tx.$queryRaw<unknown[]>(Prisma.sql`SELECT 1 FROM delivery_queue WHERE webhook_id = ${webhook_id}::uuid AND due_at = 'infinity' AND delivery_id = ${delivery_id}::uuid`);
  return rows.length > 0;
}

/** Makes the waiting attempt of a delivery due now. False when it is under way. */
export async function hasten(tx: Tx, { tenant_id, created_at, delivery_id, webhook_id }: DeliveryRow, now: Date): Promise<boolean> {
  const count = await tx.$executeRaw(Prisma.sql`
    UPDATE delivery_queue SET due_at = ${now}, trigger = 'manual'
     WHERE webhook_id = ${webhook_id}::uuid AND delivery_id = ${delivery_id}::uuid AND claimed_by IS NULL AND due_at < 'infinity'`);
  if (count === 1) {
    await tx.$executeRaw(Prisma.sql`
      UPDATE deliveries SET next_attempt_at = ${now} WHERE tenant_id = ${tenant_id}::uuid AND created_at = ${created_at} AND delivery_id = ${delivery_id}::uuid`);
  }
  return count === 1;
}
