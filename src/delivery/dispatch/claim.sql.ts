import { type Lane, Prisma, type Tx } from '../../platform/index.js';

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
  webhook_version: number;
  event_type: string | null;
  occurred_at: Date | null;
  data: string | null;
  metadata: string | null;
}

const CLAIM = `
  WITH RECURSIVE waiting(webhook_id) AS (
    (SELECT webhook_id FROM delivery_queue ORDER BY webhook_id LIMIT 1)
    UNION ALL
    SELECT (SELECT q.webhook_id FROM delivery_queue q WHERE q.webhook_id > waiting.webhook_id ORDER BY q.webhook_id LIMIT 1)
      FROM waiting WHERE waiting.webhook_id IS NOT NULL
  ), open AS MATERIALIZED (
    SELECT w.webhook_id, w.version, $4::int - coalesce(b.n, 0) AS slots
      FROM waiting
      JOIN webhooks w USING (webhook_id)
      LEFT JOIN unnest($5::uuid[], $6::int[]) AS b(w, n) ON b.w = w.webhook_id
     WHERE w.is_active AND w.disabled_at IS NULL AND w.deleted_at IS NULL AND coalesce(b.n, 0) < $4::int
     ORDER BY coalesce(b.n, 0), random()
  ), picked AS MATERIALIZED (
    SELECT q.place
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
     WHERE q.ctid = ANY (ARRAY(SELECT place FROM picked)) AND EXISTS (SELECT FROM registered)
    RETURNING q.*
  )
  SELECT c.webhook_id, c.due_at, c.delivery_id, c.tenant_id, c.created_at, c.event_id, c.event_recorded_at, c.attempt, c.round_start, c.trigger,
         open.version AS webhook_version, e.event_type, e.occurred_at, e.data, e.metadata
    FROM claimed c
    JOIN open USING (webhook_id)
    LEFT JOIN LATERAL (
      SELECT event_type, occurred_at, data::text AS data, metadata::text AS metadata FROM events
       WHERE tenant_id = c.tenant_id AND recorded_at = c.event_recorded_at AND event_id = c.event_id
       LIMIT 1
    ) e ON true`;

/**
 * Claims due deliveries, at most `free` in all and, per webhook, at most `perWebhook` less what is in flight to it
 * (`inFlight`: webhook id → count). Oldest first within a webhook; least busy webhooks first, by chance among equals.
 *
 * Raw for its locking. The recursive part hops through the primary key from one waiting webhook to the next, so a million
 * deliveries that wait for a silent receiver cost the others nothing; the lateral part walks the same index within a
 * webhook; SKIP LOCKED lets processes claim side by side; the update goes by ctid, which the lock keeps in place.
 *
 * Only a registered dispatcher claims: the lock on its row makes {@link takeOverSilent} either wait for this claim and see
 * it, or come first and leave this claim empty. It is taken only when there is something to claim: looking writes nothing.
 */
export async function claimDue(lane: Lane, dispatcherId: string, now: Date, free: number, perWebhook: number, inFlight: Map<string, number>): Promise<Claim[]> {
  const { rows } = await lane.executeSql<Claim>(CLAIM, [dispatcherId, now, free, perWebhook, [...inFlight.keys()], [...inFlight.values()]]);
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
