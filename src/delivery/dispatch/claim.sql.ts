import { type Lane, Prisma, type Tx } from '../../platform/index.js';
import { ALLOWANCE, LIMITS, SPEND } from '../flow/flows.sql.js';

/** A delivery that this process has claimed, with the event to send. The event is absent when its day has been dropped. */
export interface Claim {
  webhook_id: string;
  due_at: Date;
  delivery_id: string;
  tenant_id: string;
  created_at: Date;
  event_id: string;
  event_recorded_at: Date;
  attempt: number;
  round_start: number;
  trigger: string;
  /** The key whose line this delivery heads; null when its webhook is not ordered. */
  order_key: string | null;
  webhook_version: number;
  /** Sent to see whether an open circuit can close. */
  is_probe: boolean;
  /** Its webhook has a rate limit, or is in trouble. */
  is_limited: boolean;
  /** Since when the webhook has done nothing but fail. */
  failing_since: Date | null;
  /** How often its circuit has opened since then. */
  trips: number;
  event_type: string | null;
  occurred_at: Date | null;
  data: string | null;
  metadata: string | null;
}

/** What webhook `w` (`b`) and its tenant (`t`) have in flight: looked up, not joined, because without hash joins that would take all pairs. */
const IN_FLIGHT = `
     CROSS JOIN LATERAL (SELECT coalesce(($5::jsonb -> w.webhook_id::text ->> 0)::int, 0) AS n, coalesce(($5::jsonb -> w.webhook_id::text ->> 1)::int, $4::int) AS most) b
     CROSS JOIN LATERAL (SELECT coalesce(($6::jsonb ->> w.tenant_id::text)::int, 0) AS n) t`;

/** Whether `w` may be sent to, and has slots left in its own right or as its tenant's first. */
const HAS_ROOM = `w.is_active AND w.disabled_at IS NULL AND w.deleted_at IS NULL AND b.n < b.most AND t.n < $8::int AND (t.n < $7::int OR b.n = 0)`;

const CLAIM = `
  WITH RECURSIVE waiting(webhook_id) AS (
    (SELECT webhook_id FROM delivery_queue ORDER BY webhook_id LIMIT 1)
    UNION ALL
    SELECT (SELECT q.webhook_id FROM delivery_queue q WHERE q.webhook_id > waiting.webhook_id ORDER BY q.webhook_id LIMIT 1)
      FROM waiting WHERE waiting.webhook_id IS NOT NULL
  ), limited AS MATERIALIZED (
    SELECT w.webhook_id, w.version, f.failing_since, f.trips, f.state <> 'closed' AS is_probe, true AS is_limited, t.n AS of_tenant, b.n AS of_webhook,
           least(CASE WHEN t.n < $7::int THEN b.most - b.n ELSE 1 END, floor(${ALLOWANCE})::int) AS slots
      FROM waiting
      JOIN webhook_flows f USING (webhook_id)
      JOIN webhooks w USING (webhook_id)${IN_FLIGHT}
     WHERE ${LIMITS} AND ${ALLOWANCE} >= 1 AND ${HAS_ROOM}
       AND (SELECT true FROM delivery_queue q WHERE q.webhook_id = f.webhook_id AND q.due_at <= $2::timestamptz AND q.claimed_by IS NULL ORDER BY q.due_at LIMIT 1)
     ORDER BY t.n, b.n, random()
     LIMIT $3::int
       FOR UPDATE OF f SKIP LOCKED
  ), open AS MATERIALIZED (
    SELECT * FROM (
      SELECT * FROM limited
      UNION ALL
      SELECT w.webhook_id, w.version, f.failing_since, coalesce(f.trips, 0), false, false, t.n, b.n, CASE WHEN t.n < $7::int THEN b.most - b.n ELSE 1 END
        FROM waiting
        JOIN webhooks w USING (webhook_id)
        LEFT JOIN webhook_flows f USING (webhook_id)${IN_FLIGHT}
       WHERE NOT ${LIMITS} AND ${HAS_ROOM}
    ) either
     ORDER BY of_tenant, of_webhook, random()
  ), picked AS MATERIALIZED (
    SELECT q.place, open.version, open.is_probe, open.is_limited, open.failing_since, open.trips
      FROM open
     CROSS JOIN LATERAL (
       SELECT ctid AS place FROM delivery_queue
        WHERE webhook_id = open.webhook_id AND due_at <= $2::timestamptz AND claimed_by IS NULL
        ORDER BY due_at, delivery_id
        LIMIT open.slots
          FOR UPDATE SKIP LOCKED
     ) q
     LIMIT $3::int
  ), registered AS MATERIALIZED (
    SELECT FROM dispatchers WHERE dispatcher_id = $1::uuid AND EXISTS (SELECT FROM picked) FOR KEY SHARE
  ), claimed AS (
    UPDATE delivery_queue q SET claimed_by = $1::uuid, claimed_at = $2::timestamptz
      FROM picked
     WHERE q.ctid = picked.place AND EXISTS (SELECT FROM registered)
    RETURNING q.*, picked.version, picked.is_probe, picked.is_limited, picked.failing_since, picked.trips
  ), spent AS (${SPEND}
      FROM (SELECT webhook_id, count(*)::int AS n FROM claimed WHERE is_limited GROUP BY webhook_id) c
     WHERE f.webhook_id = c.webhook_id
  )
  SELECT c.webhook_id, c.due_at, c.delivery_id, c.tenant_id, c.created_at, c.event_id, c.event_recorded_at, c.attempt, c.round_start, c.trigger, c.order_key,
         c.version AS webhook_version, c.is_probe, c.is_limited, c.failing_since, c.trips, e.event_type, e.occurred_at, e.data, e.metadata
    FROM claimed c
    LEFT JOIN LATERAL (
      SELECT event_type, occurred_at, data::text AS data, metadata::text AS metadata FROM events
       WHERE tenant_id = c.tenant_id AND recorded_at = c.event_recorded_at AND event_id = c.event_id
       LIMIT 1
    ) e ON true`;

/** What is in flight, and what more may be. */
export interface Room {
  /** Slots free in all; a claim takes at most half of them. */
  free: number;
  /** Slots that a webhook may hold. */
  perWebhook: number;
  /** Slots from which on a tenant gets no more than one for each webhook that has none, and from which on nothing at all. */
  perTenant: [least: number, most: number];
  /** By webhook: in flight, and how many may be where that differs from `perWebhook`. */
  webhooks: Map<string, { inFlight: number; most: number }>;
  /** By tenant: in flight. */
  tenants: Map<string, number>;
}

/**
 * Claims due deliveries: oldest first within a webhook; the tenants with least in flight first, then the webhooks with least,
 * by chance among equals. What `webhook_flows` says of a webhook is obeyed here: an open circuit gets nothing, or one probe; a
 * held one nothing; a ramp and a rate limit what they have left, which is taken out in the same statement, so that all
 * processes together keep to it.
 *
 * Raw for its locking. The recursive part hops through the primary key from one waiting webhook to the next, so a million
 * deliveries that wait for a silent receiver cost the others nothing; the lateral part walks the same index within a
 * webhook. Whether a limited webhook has anything due is a subquery with LIMIT, one step of that index: as EXISTS it became a
 * join that read the whole backlog, whether any webhook was limited or not. SKIP LOCKED lets processes claim side by side (a
 * limited webhook is claimed by one at a time); the update goes by ctid, which the lock keeps in place.
 *
 * Only a registered dispatcher claims: the lock on its row makes {@link takeOverSilent} either wait for this claim and see
 * it, or come first and leave this claim empty. It is taken only when there is something to claim: looking writes nothing.
 */
export async function claimDue(lane: Lane, dispatcherId: string, now: Date, { free, perWebhook, perTenant, webhooks, tenants }: Room): Promise<Claim[]> {
  const { rows } = await lane.executeSql<Claim>(CLAIM, [
    dispatcherId, now, Math.ceil(free / 2), perWebhook,
    JSON.stringify(Object.fromEntries([...webhooks].map(([id, { inFlight, most }]) => [id, [inFlight, most]]))), JSON.stringify(Object.fromEntries(tenants)), ...perTenant,
  ]);
  return rows;
}

/**
 * Gives back what a dispatcher has claimed without knowing it, because the answer to the claim was lost: everything but the
 * deliveries it holds. Nothing was sent of it. The lock on its row waits for a claim that a broken connection left running.
 * Scans the queue. Answers how many.
 */
export async function giveBackUnknown(tx: Tx, dispatcherId: string, held: string[]): Promise<number> {
  await tx.$queryRaw(Prisma.sql`SELECT 1 FROM dispatchers WHERE dispatcher_id = ${dispatcherId}::uuid FOR UPDATE`);
  return tx.$executeRaw(Prisma.sql`
    UPDATE delivery_queue SET claimed_by = NULL, claimed_at = NULL
     WHERE claimed_by = ${dispatcherId}::uuid AND delivery_id <> ALL(${held}::uuid[])`);
}

/** A dispatcher that has not said anything for this long has lost its claims. */
export const SILENT_AFTER_MS = 5_000;

/** Says that this process is alive. Answers false when others have meanwhile declared it silent. */
export async function heartbeat(tx: Tx, dispatcherId: string): Promise<boolean> {
  return (await tx.$executeRaw(Prisma.sql`UPDATE dispatchers SET heartbeat_at = now() WHERE dispatcher_id = ${dispatcherId}::uuid`)) === 1;
}

/**
 * Takes over the claims of dispatchers that have fallen silent. Each was perhaps sent and perhaps not, so an attempt of
 * class `interrupted` without an outcome is put on record for it, and the delivery is due again as the next attempt, without
 * using up a retry. Answers how many. The queue is scanned only when some dispatcher is in fact silent.
 */
export async function takeOverSilent(tx: Tx, dispatcherId: string): Promise<number> {
  const silent = await tx.$queryRaw<{ dispatcher_id: string }[]>(Prisma.sql`
    SELECT dispatcher_id FROM dispatchers
     WHERE heartbeat_at < now() - make_interval(secs => ${SILENT_AFTER_MS / 1000}) AND dispatcher_id <> ${dispatcherId}::uuid
       FOR UPDATE SKIP LOCKED`);
  if (silent.length === 0) return 0;
  const ids = silent.map(({ dispatcher_id }) => dispatcher_id);
  const count = await tx.$executeRaw(Prisma.sql`
    WITH abandoned AS MATERIALIZED (
      SELECT ctid AS place, * FROM delivery_queue WHERE claimed_by = ANY(${ids}::uuid[]) FOR UPDATE
    ), recorded AS (
      INSERT INTO attempts (delivery_id, attempt, started_at, tenant_id, webhook_id, trigger, error_class, error)
      SELECT delivery_id, attempt, claimed_at, tenant_id, webhook_id, trigger, 'interrupted',
             'The process that made this attempt ended before it could record the outcome; the receiver may or may not have got it.'
        FROM abandoned
    ), counted AS (
      UPDATE deliveries d SET attempt_count = a.attempt FROM abandoned a
       WHERE d.tenant_id = a.tenant_id AND d.created_at = a.created_at AND d.delivery_id = a.delivery_id
    )
    UPDATE delivery_queue SET claimed_by = NULL, claimed_at = NULL, attempt = attempt + 1, round_start = round_start + 1
     WHERE ctid = ANY (ARRAY(SELECT place FROM abandoned))`);
  await tx.$executeRaw(Prisma.sql`DELETE FROM dispatchers WHERE dispatcher_id = ANY(${ids}::uuid[])`);
  return count;
}
