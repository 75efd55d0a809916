import { OPERATIONAL_TYPES, type EventPlace } from '../../events/index.js';
import { Prisma, type Tx } from '../../platform/index.js';
import { type DeadLetterFilter, lettersWhere } from '../history/dead-letters.sql.js';

/** Counting what a resend would send. Raw because each is one grouped pass; each grows with what is chosen, not with what is stored. */

export interface LetterCount {
  webhook_id: string;
  count: number;
  past_retention: number;
  deleted: boolean;
  disabled: boolean;
}

/** Which dead letters a resend is about, beside the filter. */
export interface LetterChoice {
  deliveryIds?: string[];
  /** Died at that time at the latest. */
  until: Date;
  /** Whose delivery was made at or after that time, and whose event neither reached the webhook by another delivery nor waits to. */
  unrecoveredSince?: Date;
  /** Older ones have lost their event. */
  oldestKept: Date;
}

/** Dead letters by webhook, and what is to be known of each webhook. By webhook or by id it leans on those indexes, else on the primary key. */
export async function countLetters(tx: Tx, tenantId: string, filter: DeadLetterFilter, { deliveryIds, until, unrecoveredSince, oldestKept }: LetterChoice): Promise<LetterCount[]> {
  const chosen = [
    lettersWhere(tenantId, filter), Prisma.sql`l.died_at <= ${until}`,
    ...(deliveryIds ? [Prisma.sql`l.delivery_id = ANY(${deliveryIds}::uuid[])`] : []),
    ...(unrecoveredSince ? [Prisma.sql`l.delivery_created_at >= ${unrecoveredSince} AND NOT EXISTS (
      SELECT FROM deliveries o WHERE o.tenant_id = l.tenant_id AND o.webhook_id = l.webhook_id AND o.event_id = l.event_id AND NOT o.is_test
         AND (o.status IN ('pending', 'retrying', 'succeeded') OR (o.status = 'dead' AND o.delivery_id > l.delivery_id)))`] : []),
  ];
  return tx.$queryRaw<LetterCount[]>(Prisma.sql`
    SELECT c.*, w.deleted_at IS NOT NULL AS deleted, w.disabled_at IS NOT NULL AS disabled
      FROM (SELECT l.webhook_id, count(*) FILTER (WHERE l.delivery_created_at >= ${oldestKept})::int AS count,
                   count(*) FILTER (WHERE l.delivery_created_at < ${oldestKept})::int AS past_retention
              FROM dead_letters l WHERE ${Prisma.join(chosen, ' AND ')} GROUP BY 1) c
      JOIN webhooks w USING (webhook_id) ORDER BY c.count DESC, c.webhook_id`);
}

/** Which stored events a resend is about. */
export interface EventChoice {
  webhookId: string;
  from: Date;
  /** Exclusive. */
  to: Date;
  /** Only those that no delivery to the webhook exists of. */
  undeliveredOnly: boolean;
}

/**
 * Events of a time span by type: the caller knows which types match. Left out are tests, and news about the webhook itself.
 * A walk of the primary key; for `undeliveredOnly` against the webhook's deliveries since then, by (webhook_id, created_at).
 */
export async function countEvents(tx: Tx, tenantId: string, { webhookId, from, to, undeliveredOnly }: EventChoice): Promise<{ event_type: string; count: number }[]> {
  const undelivered = Prisma.sql`AND NOT EXISTS (
    SELECT FROM deliveries o WHERE o.webhook_id = ${webhookId}::uuid AND o.tenant_id = e.tenant_id AND o.event_id = e.event_id AND NOT o.is_test AND o.created_at >= ${new Date(from.getTime() - 60_000)})`;
  return tx.$queryRaw<{ event_type: string; count: number }[]>(Prisma.sql`
    SELECT e.event_type, count(*)::int AS count FROM events e
     WHERE e.tenant_id = ${tenantId}::uuid AND e.recorded_at >= ${from} AND e.recorded_at < ${to}
       AND NOT (e.event_type = ANY(${[...OPERATIONAL_TYPES]}::text[]) AND e.data ->> 'webhook_id' = ${webhookId})
       AND NOT (e.metadata::text = '{"test":true}' AND EXISTS (
         SELECT FROM deliveries t WHERE t.tenant_id = e.tenant_id AND t.event_id = e.event_id AND t.is_test))
       ${undeliveredOnly ? undelivered : Prisma.empty}
     GROUP BY 1`);
}

/** These stored events by type, but for news about the webhook itself. By the primary key. */
export async function countNamedEvents(tx: Tx, tenantId: string, webhookId: string, places: EventPlace[]): Promise<{ event_type: string; count: number }[]> {
  return tx.$queryRaw<{ event_type: string; count: number }[]>(Prisma.sql`
    SELECT e.event_type, count(*)::int AS count FROM unnest(${places.map(({ event_id }) => event_id)}::text[], ${places.map(({ recorded_at }) => recorded_at)}::timestamptz[]) AS p(i, r)
      JOIN events e ON e.tenant_id = ${tenantId}::uuid AND e.recorded_at = p.r AND e.event_id = p.i
     WHERE NOT (e.event_type = ANY(${[...OPERATIONAL_TYPES]}::text[]) AND e.data ->> 'webhook_id' = ${webhookId})
     GROUP BY 1`);
}
