import type { Queue } from './queue.js';

/**
 * SQL for the least order text of the jobs in these queues that have not ended, as the statement that holds it sees them; NULL when
 * there are none. Two index scans: pg-boss's own of what waits, and {@link ACTIVE_INDEX} of what runs.
 */
export function leastPending(queues: Pick<Queue<unknown>, 'name'>[]): string {
  const names = queues.map(({ name }) => `'${name}'`).join(', ');
  return `least((SELECT min(singleton_key) FROM pgboss.job WHERE name IN (${names}) AND state < 'active' AND NOT blocked),
                (SELECT min(singleton_key) FROM pgboss.job WHERE name IN (${names}) AND state = 'active'))`;
}

/** pg-boss keeps jobs that have ended for an hour and finds active ones by scanning them all; this finds the few directly. */
export const ACTIVE_INDEX = `
  DO $$ BEGIN
    -- Processes that boot together would else both try.
    PERFORM pg_advisory_xact_lock(hashtext('lakehook job index'));
    CREATE INDEX IF NOT EXISTS lakehook_job_active_idx ON pgboss.job (name, singleton_key) WHERE state = 'active';
  END $$`;
