import type { Lane } from '../../platform/index.js';

/** Which webhook's unclaimed deliveries to end, and how. */
export interface Ending {
  webhookId: string;
  status: 'dead' | 'cancelled';
  reason: string;
  at: Date;
}

/** Deliveries ended by one statement: a million at once would not come to its end within the lane's time limit, however often it is tried. */
export const ENDED_AT_ONCE = 5_000;

/** Ends the oldest {@link ENDED_AT_ONCE} that wait for a webhook, deleted or disabled, and are not being attempted right now. Answers how many. Leans on the queue's primary key. */
export async function endWaiting(lane: Lane, { webhookId, status, reason, at }: Ending): Promise<number> {
  const { rows } = await lane.executeSql(`
    WITH taken AS (
      DELETE FROM delivery_queue WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM delivery_queue WHERE webhook_id = $1::uuid AND claimed_by IS NULL
           AND EXISTS (SELECT FROM webhooks WHERE webhook_id = $1::uuid AND (deleted_at IS NOT NULL OR disabled_at IS NOT NULL))
         ORDER BY due_at, delivery_id LIMIT ${ENDED_AT_ONCE} FOR UPDATE SKIP LOCKED)) RETURNING *
    ), marked AS (
      UPDATE deliveries d SET status = $2::text, next_attempt_at = NULL, completed_at = $4::timestamptz FROM taken t
       WHERE d.tenant_id = t.tenant_id AND d.created_at = t.created_at AND d.delivery_id = t.delivery_id
      RETURNING d.*, t.order_key, t.position
    ), buried AS (
      INSERT INTO dead_letters (tenant_id, died_at, delivery_id, delivery_created_at, event_recorded_at, webhook_id, event_id, event_type, attempt_count, reason, order_key, position)
      SELECT tenant_id, $4::timestamptz, delivery_id, created_at, event_recorded_at, webhook_id, event_id, event_type, attempt_count, $3::text, order_key, position FROM marked WHERE $2::text = 'dead'
    )
    SELECT FROM marked`, [webhookId, status, reason, at]);
  return rows.length;
}

/** Webhooks that are deleted or disabled and still have something waiting: more than was ended at once, or left over by an attempt that was under way then. */
export async function endedWebhooksWithWaiting(lane: Lane): Promise<{ webhook_id: string; deleted: boolean; disabled_reason: string | null }[]> {
  const { rows } = await lane.executeSql<{ webhook_id: string; deleted: boolean; disabled_reason: string | null }>(`
    SELECT webhook_id, deleted_at IS NOT NULL AS deleted, disabled_reason FROM webhooks w
     WHERE (deleted_at IS NOT NULL OR disabled_at IS NOT NULL)
       AND EXISTS (SELECT FROM delivery_queue q WHERE q.webhook_id = w.webhook_id AND q.claimed_by IS NULL)`);
  return rows;
}

/** Stops a webhook on the system's account. False when it was disabled, deleted or changed since `version`. */
export async function disableWebhook(lane: Lane, webhookId: string, version: number, reason: string, at: Date): Promise<boolean> {
  const { rows } = await lane.executeSql(`
    UPDATE webhooks SET is_active = false, disabled_at = $3::timestamptz, disabled_reason = $2::text, version = version + 1, updated_at = $3::timestamptz
     WHERE webhook_id = $1::uuid AND version = $4::int AND disabled_at IS NULL AND deleted_at IS NULL
    RETURNING webhook_id`, [webhookId, reason, at, version]);
  return rows.length === 1;
}
