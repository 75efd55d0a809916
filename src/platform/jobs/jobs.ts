import { Injectable } from '@nestjs/common';
import { DiscoveryService } from '@nestjs/core';
import { fromPrisma, PgBoss } from 'pg-boss';
import type { Tx } from '../db/database.js';
import { Log } from '../observe/log.js';
import { Metrics } from '../observe/metrics.js';
import { type Queue, queues, type Topic } from './queue.js';
import { type Worker, WORKS, type WorksMetadata } from './works.js';

/**
 * # Jobs: pg-boss behind typed values
 *
 * Sending takes the caller's transaction, so a rollback leaves no job: that is the outbox. A job is run at least once; a
 * worker whose effects must happen once ends it inside its own transaction (`job.complete(tx)`). A killed worker's job is
 * back within `heartbeatSeconds` plus the supervision interval.
 */
@Injectable()
export class Jobs {
  private boss: PgBoss;

  constructor(
    private readonly discovery: DiscoveryService,
    private readonly log: Log,
    private readonly metrics: Metrics,
  ) {}

  /** Connects, and makes every declared queue. From here on jobs can be sent. */
  async connect(databaseUrl: string): Promise<void> {
    this.boss = new PgBoss({
      connectionString: databaseUrl,
      application_name: 'lakehook-jobs',
      max: 4,
      useListenNotify: true,
      superviseIntervalSeconds: 2,
      monitorIntervalSeconds: 2,
      schedule: false,
    });
    this.boss.on('error', (error) => this.log.warn({ err: error }, 'job queue error'));
    await this.boss.start();
    for (const { name, policy } of queues.values()) {
      const options = { ...policy, retryBackoff: true, notify: true, deleteAfterSeconds: 3600 };
      await this.boss.createQueue(name, options);
      await this.boss.updateQueue(name, options);
    }
  }

  /** Starts the workers of every `@Works` class. A queue without a worker, or with two, stops the boot. */
  async work(): Promise<void> {
    for (const [queue, { worker, concurrency }] of this.findWorkers()) await this.startWorker(queue, worker, concurrency);
  }

  /** Sends one job in the caller's transaction. */
  async send<Payload>(tx: Tx, queue: Queue<Payload>, payload: Payload): Promise<void> {
    await this.boss.insert(queue.name, [{ data: payload as object }], { db: fromPrisma(tx) });
  }

  /** Sends one job to every queue declared on the topic, in the caller's transaction. */
  async publish<Payload>(tx: Tx, topic: Topic<Payload>, payload: Payload): Promise<void> {
    for (const queue of topic.queues) await this.send(tx, queue, payload);
  }

  /** Stops fetching and waits up to `timeoutMs` for running jobs. What does not end in time is retried elsewhere. */
  async stop(timeoutMs: number): Promise<void> {
    await this.boss?.stop({ graceful: true, timeout: timeoutMs, close: true });
  }

  private findWorkers(): Map<Queue<unknown>, { worker: Worker<unknown>; concurrency: number }> {
    const found = new Map<Queue<unknown>, { worker: Worker<unknown>; concurrency: number }>();
    for (const { instance, metatype } of this.discovery.getProviders()) {
      const works = metatype && (Reflect.getMetadata(WORKS, metatype) as WorksMetadata | undefined);
      if (!works) continue;
      if (found.has(works.queue)) throw new Error(`The queue ${works.queue.name} has two workers`);
      found.set(works.queue, { worker: instance as Worker<unknown>, concurrency: works.concurrency });
    }
    for (const queue of queues.values()) if (!found.has(queue)) throw new Error(`The queue ${queue.name} has no worker`);
    return found;
  }

  private async startWorker(queue: Queue<unknown>, worker: Worker<unknown>, concurrency: number): Promise<void> {
    const options = { batchSize: 1, localConcurrency: concurrency, burstWhenBatchFull: true, includeMetadata: true, pollingIntervalSeconds: 1, notifyPollingIntervalSeconds: 2 } as const;
    await this.boss.work<object, void, typeof options>(queue.name, options, async ([job]) => {
      const { id, retryCount, data } = job!;
      const started = performance.now();
      const ended = (outcome: string): void => this.metrics.jobs.labels(queue.name, outcome).observe((performance.now() - started) / 1000);
      try {
        await worker.work(data, {
          id,
          complete: async (tx) => {
            // The published type of the answer is empty; at run time it counts the rows it changed.
            const { affected } = (await this.boss.complete(queue.name, [{ id, retryCount }], null, { db: fromPrisma(tx) })) as { affected?: number };
            if (affected !== 1) throw new Error(`Job ${id} of ${queue.name} was given to another worker`);
          },
        });
        ended('completed');
        this.log.debug({ queue: queue.name, job_id: id, run: retryCount + 1, duration_ms: Math.round(performance.now() - started) }, 'job');
      } catch (error) {
        ended('failed');
        this.log.error({ queue: queue.name, job_id: id, run: retryCount + 1, duration_ms: Math.round(performance.now() - started), err: error }, 'job failed, it will be run again');
        throw error;
      }
    });
  }
}
