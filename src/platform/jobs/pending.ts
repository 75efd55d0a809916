import type { Queue } from './queue.js';

type Named = Pick<Queue<unknown>, 'name'>;

/**
 * SQL for the least order text of the jobs that have not ended, as the statement that holds it sees them: all of `shared` queues, and of
 * queues whose jobs have an owner (`owned`) those of the one that the SQL text `owner` names. NULL when there are none. A step
 * in {@link PENDING_INDEX} each.
 */
export function leastPending({ shared, owned, owner }: { shared: Named[]; owned: Named[]; owner: string }): string {
  const least = ({ name }: Named, whose: string): string => `(SELECT min(singleton_key) FROM pgboss.job WHERE name = '${name}' AND coalesce(group_id, '') = ${whose} AND state <= 'active')`;
  return `least(${[...shared.map((queue) => least(queue, "''")), ...owned.map((queue) => least(queue, owner))].join(', ')})`;
}

/** SQL for the jobs of `queues` that have not ended, by queue: `name`, how many `jobs`, and their least order text, `oldest`. Leans on {@link PENDING_INDEX}. */
export function pendingByQueue(queues: readonly Named[]): string {
  return `SELECT name, count(*)::int AS jobs, min(singleton_key) AS oldest FROM pgboss.job WHERE ${pendingIn(queues)} GROUP BY name`;
}

/** SQL for the `data` of the first `most` of them by their order. */
export function firstPendingData(queues: readonly Named[], most: number): string {
  return `SELECT data FROM pgboss.job WHERE ${pendingIn(queues)} ORDER BY singleton_key LIMIT ${most}`;
}

function pendingIn(queues: readonly Named[]): string {
  return `name IN (${queues.map(({ name }) => `'${name}'`).join(', ')}) AND state <= 'active'`;
}

/** pg-boss keeps jobs that have ended for an hour; this holds the others, by their order. */
export const PENDING_INDEX = `
  DO $$ BEGIN
    -- Processes that boot together would else both try.
    PERFORM pg_advisory_xact_lock(hashtext('lakehook job index'));
    CREATE INDEX IF NOT EXISTS lakehook_job_pending_idx ON pgboss.job (name, coalesce(group_id, ''), singleton_key) WHERE state <= 'active';
  END $$`;
