import { Prisma, type Tx } from '../../platform/index.js';

export interface DeadLetterRow {
  died_at: Date;
  delivery_id: string;
  webhook_id: string;
  event_id: string;
  event_type: string;
  attempt_count: number;
  error_class: string | null;
  reason: string;
  order_key: string | null;
  blocks_key: boolean;
}

/** Which dead letters; everything absent means all of them. `from` and `to` bound the time of death. */
export interface DeadLetterFilter {
  webhookId?: string;
  eventType?: string;
  errorClass?: string;
  eventId?: string;
  from?: Date;
  to?: Date;
}

const COLUMNS = Prisma.sql`died_at, delivery_id, webhook_id, event_id, event_type, attempt_count, error_class, reason, order_key,
  EXISTS (SELECT FROM order_blocks b WHERE b.webhook_id = l.webhook_id AND b.order_key = l.order_key AND b.delivery_id = l.delivery_id) AS blocks_key`;

/** The conditions of a filter, for `WHERE`, on the table of that name or alias. */
export function lettersWhere(tenantId: string, { webhookId, eventType, errorClass, eventId, from, to }: DeadLetterFilter): Prisma.Sql {
  return Prisma.join([
    Prisma.sql`l.tenant_id = ${tenantId}::uuid`,
    ...(webhookId ? [Prisma.sql`l.webhook_id = ${webhookId}::uuid`] : []),
    ...(eventType ? [Prisma.sql`l.event_type = ${eventType}`] : []),
    ...(errorClass ? [Prisma.sql`l.error_class = ${errorClass}`] : []),
    ...(eventId ? [Prisma.sql`l.event_id = ${eventId}`] : []),
    ...(from ? [Prisma.sql`l.died_at >= ${from}`] : []),
    ...(to ? [Prisma.sql`l.died_at < ${to}`] : []),
  ], ' AND ');
}

/** A page of dead letters, newest first. By webhook it leans on (webhook_id, died_at, delivery_id), by event on (event_id), else on the primary key. */
export async function listDeadLetters(tx: Tx, tenantId: string, filter: DeadLetterFilter, after: [time: string, id: string] | undefined, limit: number): Promise<DeadLetterRow[]> {
  const beyond = after ? Prisma.sql`AND (l.died_at, l.delivery_id) < (${new Date(after[0])}, ${after[1]}::uuid)` : Prisma.empty;
  return tx.$queryRaw<DeadLetterRow[]>(Prisma.sql`
    SELECT ${COLUMNS} FROM dead_letters l WHERE ${lettersWhere(tenantId, filter)} ${beyond} ORDER BY l.died_at DESC, l.delivery_id DESC LIMIT ${limit}`);
}

/** The dead letter of a delivery, by the unique index on `delivery_id`. */
export async function findDeadLetter(tx: Tx, tenantId: string, deliveryId: string): Promise<DeadLetterRow | undefined> {
  const [row] = await tx.$queryRaw<DeadLetterRow[]>(Prisma.sql`SELECT ${COLUMNS} FROM dead_letters l WHERE delivery_id = ${deliveryId}::uuid AND tenant_id = ${tenantId}::uuid`);
  return row;
}

export interface DeadLetterGroup {
  webhook_id: string;
  url: string;
  error_class: string | null;
  count: number;
  oldest_died_at: Date;
  newest_died_at: Date;
}

/** Dead letters counted by webhook and class of the last failure, the most first. One pass over those that the filter chooses. */
export async function summarizeDeadLetters(tx: Tx, tenantId: string, filter: DeadLetterFilter, limit: number): Promise<DeadLetterGroup[]> {
  return tx.$queryRaw<DeadLetterGroup[]>(Prisma.sql`
    SELECT g.*, w.url FROM (
      SELECT l.webhook_id, l.error_class, count(*)::int AS count, min(l.died_at) AS oldest_died_at, max(l.died_at) AS newest_died_at
        FROM dead_letters l WHERE ${lettersWhere(tenantId, filter)} GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT ${limit}
    ) g JOIN webhooks w USING (webhook_id) ORDER BY g.count DESC, g.webhook_id, g.error_class`);
}
