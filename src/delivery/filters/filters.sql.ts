import type { Lane } from '../../platform/index.js';

/** The stored filters of webhooks, by primary key. Those without one are missing from the answer. */
export async function readFilters(lane: Lane, webhookIds: string[]): Promise<{ webhook_id: string; version: number; filter: unknown }[]> {
  const { rows } = await lane.executeSql<{ webhook_id: string; version: number; filter: unknown }>(`
    SELECT webhook_id, version, filter FROM webhooks WHERE webhook_id = ANY($1::uuid[]) AND filter IS NOT NULL`, [webhookIds]);
  return rows;
}

/**
 * Adds to what the filters of webhooks kept from them, by hour. The rows stay locked until the transaction ends, so it comes
 * last in there, and in the order of the key, so that two of them cannot deadlock. Raw because Prisma cannot add on conflict
 * for many rows.
 */
export async function countFiltered(lane: Lane, at: Date, counts: Map<string, number>): Promise<void> {
  if (counts.size === 0) return;
  await lane.executeSql(`
    INSERT INTO filtered_events AS f (webhook_id, hour, count)
    SELECT w, date_trunc('hour', $1::timestamptz, 'UTC'), n FROM unnest($2::uuid[], $3::int[]) AS r(w, n) ORDER BY w
    ON CONFLICT (webhook_id, hour) DO UPDATE SET count = f.count + excluded.count`, [at, [...counts.keys()], [...counts.values()]]);
}
