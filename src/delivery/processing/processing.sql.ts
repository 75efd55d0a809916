import { firstPendingData, type Lane, pendingByQueue, type Queue } from '../../platform/index.js';

/** The one row, and how long fan-out has to wait for its pace, by Postgres's clock. */
export interface ProcessingState {
  paused: boolean;
  events_per_second: number | null;
  changed_at: Date | null;
  wait_ms: number;
}

const WAIT_MS = 'greatest(0, extract(epoch FROM free_at - clock_timestamp()) * 1000)::float8 AS wait_ms';

/** Raw because what is left to wait must be counted by one clock for all processes. */
export async function readState(lane: Lane): Promise<ProcessingState> {
  const { rows } = await lane.executeSql<ProcessingState>(`SELECT paused, events_per_second, changed_at, ${WAIT_MS} FROM processing`);
  return rows[0]!;
}

/**
 * Takes the time that events cost at the pace, where there is one. Answers the milliseconds to wait before more may be taken. The
 * row stays locked to the end of the transaction, so that processes take turns and a rollback costs nothing.
 */
export async function spendTime(lane: Lane, events: number): Promise<number> {
  const { rows } = await lane.executeSql<{ wait_ms: number }>(`
    UPDATE processing SET free_at = greatest(free_at, clock_timestamp()) + $1::float8 / events_per_second * interval '1 second'
     WHERE events_per_second IS NOT NULL RETURNING ${WAIT_MS}`, [events]);
  return rows[0]?.wait_ms ?? 0;
}

/** Ends the pace, unless another one has been set meanwhile, or a pause. */
export async function endPace(lane: Lane, eventsPerSecond: number): Promise<void> {
  await lane.executeSql('UPDATE processing SET events_per_second = NULL, free_at = NULL WHERE events_per_second = $1::int AND NOT paused', [eventsPerSecond]);
}

/** By queue, when the first event that waits in it was recorded. */
export async function readHeads(lane: Lane, queues: readonly Queue<unknown>[]): Promise<Map<string, number>> {
  const { rows } = await lane.executeSql<{ name: string; oldest: string }>(pendingByQueue(queues));
  return new Map(rows.map(({ name, oldest }) => [name, Date.parse(oldest)]));
}

/** Jobs whose events are counted one by one; beyond, their mean stands for the others. */
const COUNTED_JOBS = 1_000;

export interface Backlog {
  events: number;
  oldest: Date | null;
}

/** What waits. The payloads of a long pause are gigabytes, so not all are read. */
export async function readBacklog(lane: Lane, queues: readonly Queue<unknown>[]): Promise<Backlog> {
  const { rows } = await lane.executeSql<{ jobs: number; oldest: string | null; mean: number | null }>(`
    SELECT coalesce(sum(jobs), 0)::int AS jobs, min(oldest) AS oldest, (
             SELECT avg((SELECT sum(jsonb_array_length(ids)) FROM jsonb_each(data -> 'tenants') AS t(tenant, ids)))::float8
               FROM (${firstPendingData(queues, COUNTED_JOBS)}) AS counted
           ) AS mean
      FROM (${pendingByQueue(queues)}) AS pending`);
  const { jobs, oldest, mean } = rows[0]!;
  return { events: Math.round(jobs * (mean ?? 0)), oldest: oldest === null ? null : new Date(oldest) };
}
