import { SetMetadata, type Type } from '@nestjs/common';
import type { Lane } from '../db/hot-lane.js';
import type { Queue } from './queue.js';

export const WORKS = 'lakehook:works';

/** The jobs that a worker was given together. */
export interface JobBatch {
  /**
   * Marks them done inside the worker's own transaction, so that their effects and their end commit together: all of them, or
   * those from `from` to before `to`, for a worker that takes several transactions. Throws when one has meanwhile been given to
   * another worker; let that roll the transaction back.
   */
  complete(lane: Lane, from?: number, to?: number): Promise<void>;
}

/** What a class marked `@Works` must be. When a batch fails, each of its jobs is tried alone. */
export interface Worker<Payload> {
  work(payloads: Payload[], batch: JobBatch): Promise<void>;
}

export interface WorksMetadata {
  queue: Queue<unknown>;
  concurrency: number;
  batchSize: number;
  paceMs: number;
}

/**
 * Marks the one class that works a queue. `concurrency`: batches at once per process; `batchSize`: jobs per batch at most;
 * `paceMs`: least time from the start of one batch to the next, for each job in it and of no more than three, so that under load jobs gather
 * instead of being fetched singly, and a single one is in nobody's way.
 */
export function Works<Payload>(queue: Queue<Payload>, { concurrency = 1, batchSize = 1, paceMs = 0 } = {}): (target: Type<Worker<Payload>>) => void {
  return SetMetadata(WORKS, { queue, concurrency, batchSize, paceMs } satisfies WorksMetadata);
}
