import { type Lane, leastPending } from '../../platform/index.js';
import { bulkFanOut, fanOut } from '../fan-out/fan-out.jobs.js';

/** When the first event of a tenant (`tenant` in SQL) was recorded that is not fanned out yet; NULL when all are. The order text of the jobs is that time. */
export const firstPending = (tenant: string): string => `(${leastPending({ shared: [fanOut], owned: [bulkFanOut], owner: tenant })})::timestamptz`;

/** Before when every stored event of these tenants is fanned out, for those of whom not all are. */
export async function fannedOutBefore(lane: Lane, tenantIds: string[]): Promise<Map<string, Date>> {
  const { rows } = await lane.executeSql<{ t: string; pending: Date | null }>(`SELECT t, ${firstPending('t')} AS pending FROM unnest($1::text[]) AS i(t)`, [tenantIds]);
  return new Map(rows.flatMap(({ t, pending }) => (pending ? [[t, pending]] : [])));
}

/** A line of an ordered webhook: deliveries that share a key. */
export interface Line {
  webhookId: string;
  orderKey: string;
}

/** A line that waits until all events recorded before its first are fanned out. */
export interface WaitingLine extends Line {
  tenantId: string;
  recordedAt: Date;
}

const NO_ID = '00000000-0000-0000-0000-000000000000';

/**
 * Whether a dead letter that blocks the line `l` stands before its first, `f`. One that has been queued again is no dead letter and
 * stands in the line itself. Leans on the unique index of `dead_letters`.
 */
const BLOCKED = (webhookId: string, orderKey: string): string => `EXISTS (
  SELECT FROM order_blocks b
    JOIN dead_letters dl ON dl.delivery_id = b.delivery_id
   WHERE b.webhook_id = ${webhookId} AND b.order_key = ${orderKey}
     AND (dl.event_recorded_at, coalesce(dl.position, 0), dl.delivery_id) < (f.event_recorded_at, f.position, f.delivery_id))`;

/**
 * Lets the first of each line go, unless one of the line is under way already or it stands still behind a dead letter. Answers the
 * lines that have to wait because events recorded before their first are not fanned out yet.
 *
 * Raw because it must decide in one snapshot: whoever sees an event fanned out also sees the jobs of those that were acknowledged
 * before it was published. The order index answers with its first entry per line both who is first and whether one is under way.
 * Safe to run at the same time as anything: fan-out and settling call it after their commit, so the later of them sees both.
 */
export async function letFirstGo(lane: Lane, lines: Line[], now: Date): Promise<WaitingLine[]> {
  const { rows } = await lane.executeSql<{ w: string; k: string; tenant_id: string; event_recorded_at: Date }>(`
    WITH firsts AS MATERIALIZED (
      SELECT l.w, l.k, f.delivery_id, f.tenant_id, f.event_recorded_at, f.event_recorded_at < coalesce(${firstPending('f.tenant_id::text')}, 'infinity') AS may_go
        FROM unnest($1::uuid[], $2::text[]) AS l(w, k)
       CROSS JOIN LATERAL (
         SELECT due_at, delivery_id, tenant_id, event_recorded_at, position FROM delivery_queue
          WHERE webhook_id = l.w AND order_key = l.k
          ORDER BY webhook_id, order_key, due_at, event_recorded_at, position, delivery_id LIMIT 1
       ) f
       WHERE f.due_at = 'infinity' AND NOT ${BLOCKED('l.w', 'l.k')}
    ), gone AS (
      UPDATE delivery_queue q SET due_at = $3::timestamptz FROM firsts
       WHERE firsts.may_go AND q.webhook_id = firsts.w AND q.due_at = 'infinity' AND q.delivery_id = firsts.delivery_id
    )
    SELECT w, k, tenant_id, event_recorded_at FROM firsts WHERE NOT may_go`, [lines.map(({ webhookId }) => webhookId), lines.map(({ orderKey }) => orderKey), now]);
  return rows.map(({ w, k, tenant_id, event_recorded_at }) => ({ webhookId: w, orderKey: k, tenantId: tenant_id, recordedAt: event_recorded_at }));
}

/**
 * Looks through the next `most` lines after `from` for those in which nothing is under way although something waits and nothing
 * blocks: left over by a crash between a commit and what follows it, or by a change of the webhook. Hops from line to line through
 * the order index. Answers with them the line it came to; undefined at the end.
 */
export async function findStandingLines(lane: Lane, from: Line | undefined, most: number): Promise<{ standing: Line[]; at: Line | undefined }> {
  const { rows } = await lane.executeSql<{ webhook_id: string; order_key: string; n: number; stands: boolean }>(`
    WITH RECURSIVE lines(webhook_id, order_key, n) AS (
      (SELECT webhook_id, order_key, 1 FROM delivery_queue
        WHERE order_key IS NOT NULL AND (webhook_id, order_key) > ($1::uuid, $2::text) ORDER BY webhook_id, order_key LIMIT 1)
      UNION ALL
      SELECT q.webhook_id, q.order_key, lines.n + 1 FROM lines
       CROSS JOIN LATERAL (
         SELECT q.webhook_id, q.order_key FROM delivery_queue q
          WHERE q.order_key IS NOT NULL AND (q.webhook_id, q.order_key) > (lines.webhook_id, lines.order_key)
          ORDER BY q.webhook_id, q.order_key LIMIT 1
       ) q
       WHERE lines.n < $3::int
    ), looked AS (
      SELECT l.*, f.due_at = 'infinity' AND NOT ${BLOCKED('l.webhook_id', 'l.order_key')} AS stands
        FROM lines l
       CROSS JOIN LATERAL (
         SELECT due_at, delivery_id, event_recorded_at, position FROM delivery_queue WHERE webhook_id = l.webhook_id AND order_key = l.order_key
          ORDER BY webhook_id, order_key, due_at, event_recorded_at, position, delivery_id LIMIT 1
       ) f
    )
    SELECT webhook_id, order_key, n, stands FROM looked WHERE stands OR n = $3::int`, [from?.webhookId ?? NO_ID, from?.orderKey ?? '', most]);
  const lines = rows.map(({ webhook_id, order_key, n, stands }) => ({ line: { webhookId: webhook_id, orderKey: order_key }, n, stands }));
  return { standing: lines.filter(({ stands }) => stands).map(({ line }) => line), at: lines.find(({ n }) => n === most)?.line };
}

/** Removes blocks that have lost their reason: the dead letter is gone and is not being sent again, or the webhook skips, is not ordered any more, or is deleted. */
export async function dropIdleBlocks(lane: Lane): Promise<void> {
  await lane.executeSql(`
    DELETE FROM order_blocks b USING webhooks w
     WHERE w.webhook_id = b.webhook_id
       AND (NOT w.ordered OR w.on_exhausted = 'skip' OR w.deleted_at IS NOT NULL
            OR (NOT EXISTS (SELECT FROM dead_letters l WHERE l.delivery_id = b.delivery_id)
                AND NOT EXISTS (SELECT FROM delivery_queue q WHERE q.webhook_id = b.webhook_id AND q.order_key = b.order_key AND q.delivery_id = b.delivery_id)))`);
}

/** Lets a line go on without the dead letter that blocks it. Answers the line, or undefined when the delivery blocks none. */
export async function unblock(lane: Lane, webhookId: string, deliveryId: string): Promise<Line | undefined> {
  const { rows } = await lane.executeSql<{ webhook_id: string; order_key: string }>(
    'DELETE FROM order_blocks WHERE webhook_id = $1::uuid AND delivery_id = $2::uuid RETURNING webhook_id, order_key', [webhookId, deliveryId]);
  return rows[0] && { webhookId: rows[0].webhook_id, orderKey: rows[0].order_key };
}
