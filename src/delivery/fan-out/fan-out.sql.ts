import { OPERATIONAL_TYPES } from '../../events/index.js';
import { intArray, type Lane, textArray, uuidArray } from '../../platform/index.js';

/** What fan-out needs to know of an event. `about` is the webhook that an operational event reports on. */
export interface FanOutEvent {
  event_id: string;
  event_type: string;
  about: string | null;
  /** Bytes of its data and metadata, where asked for. */
  size: number;
}

/**
 * The events of one batch of one tenant: a walk of the primary key, which they stand next to each other in. Their sizes only on
 * demand, for large documents must be fetched and unpacked to be measured.
 */
export async function readBatch(lane: Lane, tenantId: string, recordedAt: Date, eventIds: string[], withSize: boolean): Promise<FanOutEvent[]> {
  const { rows } = await lane.executeSql<FanOutEvent>(`
    SELECT event_id, event_type, CASE WHEN event_type = ANY($4::text[]) THEN data ->> 'webhook_id' END AS about,
           CASE WHEN $5::boolean THEN octet_length(data::text) + octet_length(metadata::text) ELSE 0 END AS size
      FROM events
     WHERE tenant_id = $1::uuid AND recorded_at = $2::timestamptz AND event_id = ANY($3::text[])
     ORDER BY event_id`, [tenantId, recordedAt, textArray(eventIds), [...OPERATIONAL_TYPES], withSize]);
  return rows;
}

/** The documents of some events of a batch, as text. */
export async function readDocuments(lane: Lane, tenantId: string, recordedAt: Date, eventIds: string[]): Promise<Map<string, { data: string; metadata: string }>> {
  const { rows } = await lane.executeSql<{ event_id: string; data: string; metadata: string }>(`
    SELECT event_id, data::text AS data, metadata::text AS metadata FROM events
     WHERE tenant_id = $1::uuid AND recorded_at = $2::timestamptz AND event_id = ANY($3::text[])`, [tenantId, recordedAt, textArray(eventIds)]);
  return new Map(rows.map(({ event_id, ...documents }) => [event_id, documents]));
}

/** A webhook as fan-out sees it. */
export interface Target {
  webhook_id: string;
  version: number;
  events: string[];
  /** The patterns of approved subscriptions, for a webhook of a partner. */
  approved: string[] | null;
  has_filter: boolean;
  ordered: boolean;
  order_key: string | null;
}

/** The patterns of approved subscriptions of a row `w` of `webhooks`, where it belongs to a partner. Leans on the webhook's index of subscriptions. */
export const APPROVED = `CASE WHEN w.partner_id IS NOT NULL THEN ARRAY(SELECT unnest(s.events) FROM subscriptions s WHERE s.webhook_id = w.webhook_id AND s.status = 'approved') END AS approved`;

/** The webhooks of a tenant that deliveries are made for, with their patterns: active and paused ones. */
export async function readTargets(lane: Lane, tenantId: string): Promise<Target[]> {
  const { rows } = await lane.executeSql<Target>(`
    SELECT webhook_id, version, events, filter IS NOT NULL AS has_filter, ordered, order_key, ${APPROVED}
      FROM webhooks w WHERE tenant_id = $1::uuid AND deleted_at IS NULL AND disabled_at IS NULL`, [tenantId]);
  return rows;
}

export interface NewDelivery {
  deliveryId: string;
  webhookId: string;
  event: Pick<FanOutEvent, 'event_id' | 'event_type'>;
  /** The line it stands in, for an ordered webhook; null for others. */
  orderKey: string | null;
  /** Where it stands among the events of its batch. */
  position: number;
}

// Keeps the parameters of one statement at 250 kB: they are written out in one go, during which nothing else is.
const ROWS_PER_STATEMENT = 1_000;

/**
 * Writes deliveries and their places in the queue: due now, or where there is an order, whenever their turn comes. Raw because
 * both tables are written by one statement, columns as arrays.
 */
export async function insertDeliveries(lane: Lane, tenantId: string, createdAt: Date, recordedAt: Date, deliveries: NewDelivery[]): Promise<void> {
  for (let at = 0; at < deliveries.length; at += ROWS_PER_STATEMENT) {
    const some = deliveries.slice(at, at + ROWS_PER_STATEMENT);
    await lane.executeSql(`
      WITH incoming AS MATERIALIZED (
        SELECT * FROM unnest($4::uuid[], $5::uuid[], $6::text[], $7::text[], $8::text[], $9::int[]) AS r(d, w, e, y, k, p)
      ), recorded AS (
        INSERT INTO deliveries (tenant_id, created_at, delivery_id, webhook_id, event_id, event_recorded_at, event_type, status, next_attempt_at)
        SELECT $1::uuid, $2::timestamptz, d, w, e, $3::timestamptz, y, 'pending', CASE WHEN k IS NULL THEN $2::timestamptz END FROM incoming
      )
      INSERT INTO delivery_queue (webhook_id, due_at, delivery_id, tenant_id, created_at, event_id, event_recorded_at, attempt, round_start, trigger, order_key, position)
      SELECT w, CASE WHEN k IS NULL THEN $2::timestamptz ELSE 'infinity' END, d, $1::uuid, $2::timestamptz, e, $3::timestamptz, 1, 1, 'event', k, p FROM incoming`,
    [tenantId, createdAt, recordedAt, uuidArray(some.map(({ deliveryId }) => deliveryId)), uuidArray(some.map(({ webhookId }) => webhookId)),
      textArray(some.map(({ event }) => event.event_id)), textArray(some.map(({ event }) => event.event_type)), textArray(some.map(({ orderKey }) => orderKey)), intArray(some.map(({ position }) => position))]);
  }
}
