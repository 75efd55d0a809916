import { SetMetadata, type Type } from '@nestjs/common';
import type { Tx } from '../db/database.js';
import type { Queue } from './queue.js';

export const WORKS = 'lakehook:works';

export interface Job {
  id: string;
  /**
   * Marks the job done inside the worker's own transaction, so that its effects and its end commit together. Throws when
   * the job has meanwhile been given to another worker; let that roll the transaction back.
   */
  complete(tx: Tx): Promise<void>;
}

/** What a class marked `@Works` must be. */
export interface Worker<Payload> {
  work(payload: Payload, job: Job): Promise<void>;
}

export interface WorksMetadata {
  queue: Queue<unknown>;
  concurrency: number;
}

/** Marks the one class that works a queue. `concurrency`: runs at once per process. */
export function Works<Payload>(queue: Queue<Payload>, { concurrency = 1 } = {}): (target: Type<Worker<Payload>>) => void {
  return SetMetadata(WORKS, { queue, concurrency } satisfies WorksMetadata);
}
