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

/** pg-boss keeps jobs that have ended for an hour; this holds the others, by their order. */
export const PENDING_INDEX = `
  DO $$ BEGIN
    -- Processes that boot together would else both try.
    PERFORM pg_advisory_xact_lock(hashtext('lakehook job index'));
    CREATE INDEX IF NOT EXISTS lakehook_job_pending_idx ON pgboss.job (name, coalesce(group_id, ''), singleton_key) WHERE state <= 'active';
  END $$`;
