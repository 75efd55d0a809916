import { Injectable } from '@nestjs/common';
import { DiscoveryService } from '@nestjs/core';
import { type JobWithMetadata, PgBoss } from 'pg-boss';
import { HEARD } from '../db/heard-client.js';
import type { Lane } from '../db/hot-lane.js';
import { type SessionSettings, withSettings } from '../db/session.js';
import { Log } from '../observe/log.js';
import { Metrics } from '../observe/metrics.js';
import { JobCalls } from './job-calls.js';
import { PENDING_INDEX } from './pending.js';
import { type Queue, queues, type Topic } from './queue.js';
import { type Worker, WORKS, type WorksMetadata } from './works.js';

/** Years that a job waits for its turn: pg-boss would else throw away after 14 days what nobody has fetched. */
const WAITS_SECONDS = 10 * 365 * 86_400;

/** A fetch, a heartbeat or an end that a crash of Postgres undoes has the job run again, which any crash may: none waits for the disk. */
const SETTINGS: SessionSettings = { firm: { synchronous_commit: 'off' }, limits: {} };

/** Two, for pg-boss fetches the next batch at once only after a full one of several. */
const FEW = 2;

/** As many jobs of a batch set the pace at most. */
const PACED_JOBS = 3;

/** How a process takes jobs of a queue: as many together as its worker says, a few, or none. */
export type Fetching = 'gathered' | 'sparsely' | 'held';

/**
 * # Jobs: pg-boss behind typed values
 *
 * Sending takes the caller's transaction, so a rollback leaves no job: that is the outbox. A job is run at least once; a
 * worker whose effects must happen once ends it inside its own transaction (`batch.complete(lane)`). A killed worker's job is
 * back within `heartbeatSeconds` plus the supervision interval.
 */
@Injectable()
export class Jobs {
  private boss: PgBoss;
  private readonly wanted = new Map<Queue<unknown>, Fetching>();
  private readonly running = new Map<Queue<unknown>, Fetching>();
  private workers = new Map<Queue<unknown>, FoundWorker>();
  /** By the name of a queue: what pg-boss calls the worker of this process. */
  private readonly ids = new Map<string, string>();
  private calls: JobCalls;

  constructor(
    private readonly discovery: DiscoveryService,
    private readonly log: Log,
    private readonly metrics: Metrics,
  ) {}

  /** Connects, and makes every declared queue. From here on jobs can be sent. */
  async connect(databaseUrl: string): Promise<void> {
    this.boss = new PgBoss({
      ...HEARD,
      connectionString: withSettings(databaseUrl, SETTINGS),
      application_name: 'lakehook-jobs',
      max: 4,
      superviseIntervalSeconds: 2,
      monitorIntervalSeconds: 2,
      schedule: false,
    });
    this.boss.on('error', (error) => this.log.warn({ err: error }, 'job queue error'));
    await this.boss.start();
    for (const { name, policy } of queues.values()) {
      const options = { ...policy, retryBackoff: true, notify: false, deleteAfterSeconds: 3600, retentionSeconds: WAITS_SECONDS };
      await this.boss.createQueue(name, options);
      await this.boss.updateQueue(name, options);
    }
    await this.boss.getDb().executeSql(PENDING_INDEX);
    this.calls = new JobCalls(this.boss.getDb(), this.log);
  }

  /** Starts the workers of every `@Works` class. A queue without a worker, or with two, stops the boot. */
  async work(): Promise<void> {
    const found = this.findWorkers();
    for (const each of found.values()) await this.startWorker(each);
    this.workers = found;
    await this.calls.listen((name) => this.callWorker(name));
  }

  /**
   * Has this process take jobs of a queue in another way from now on; jobs it has already taken run to their end, unawaited.
   * Before {@link work} it says how to begin. Calls of the same queue must not overlap.
   */
  async fetch(queue: Queue<unknown>, fetching: Fetching): Promise<void> {
    this.wanted.set(queue, fetching);
    const found = this.workers.get(queue);
    if (!found || this.running.get(queue) === fetching) return;
    await this.boss.offWork(queue.name, { wait: false });
    if (this.workers.has(queue)) await this.startWorker(found);
  }

  /** Sends one job in the caller's transaction. `order` is what {@link leastPending} compares, within the jobs of an `owner` if there is one. */
  async send<Payload>(lane: Lane, queue: Queue<Payload>, payload: Payload, { order, owner }: Standing = {}): Promise<void> {
    if (lane.afterCommit) lane.afterCommit(() => this.call(queue));
    else await this.calls.callWithin(lane, queue.name);
    await this.boss.insert(queue.name, [{ data: payload as object, ...(order !== undefined && { singletonKey: order }), ...(owner !== undefined && { group: { id: owner } }) }], { db: lane });
  }

  /** Sends one job to every queue declared on the topic, in the caller's transaction. */
  async publish<Payload>(lane: Lane, topic: Topic<Payload>, payload: Payload, standing?: Standing): Promise<void> {
    for (const queue of topic.queues) await this.send(lane, queue, payload, standing);
  }

  /** Stops fetching and waits up to `timeoutMs` for running jobs. What does not end in time is retried elsewhere. */
  async stop(timeoutMs: number): Promise<void> {
    this.workers.clear();
    await this.calls?.close();
    await this.boss?.stop({ graceful: true, timeout: timeoutMs, close: true });
  }

  /** Calls the worker of a queue to a job that is there now: ours, or where this process works nothing, those of others. */
  private call({ name }: Queue<unknown>): void {
    if (this.workers.size > 0) this.callWorker(name);
    else this.calls.call(name);
  }

  private callWorker(name: string): void {
    const id = this.ids.get(name);
    if (id) this.boss.notifyWorker(id);
  }

  private findWorkers(): Map<Queue<unknown>, FoundWorker> {
    const found = new Map<Queue<unknown>, FoundWorker>();
    for (const { instance, metatype } of this.discovery.getProviders()) {
      const works = metatype && (Reflect.getMetadata(WORKS, metatype) as WorksMetadata | undefined);
      if (!works) continue;
      if (found.has(works.queue)) throw new Error(`The queue ${works.queue.name} has two workers`);
      found.set(works.queue, { ...works, worker: instance as Worker<unknown> });
    }
    for (const queue of queues.values()) if (!found.has(queue)) throw new Error(`The queue ${queue.name} has no worker`);
    return found;
  }

  private async startWorker(found: FoundWorker): Promise<void> {
    const { queue } = found;
    const fetching = this.wanted.get(queue) ?? 'gathered';
    this.running.delete(queue);
    if (fetching !== 'held') await this.fetchFor(fetching === 'sparsely' ? { ...found, batchSize: FEW } : found);
    this.running.set(queue, fetching);
  }

  private async fetchFor({ queue, worker, concurrency, batchSize, paceMs }: FoundWorker): Promise<void> {
    const options = {
      batchSize, localConcurrency: concurrency, perJobResults: true, burstWhenBatchFull: true, includeMetadata: true, pollingIntervalSeconds: 1,
    } as const;
    const id = await this.boss.work<object, unknown, typeof options>(queue.name, options, async (jobs) => {
      const paced = new Promise((resolve) => setTimeout(resolve, paceMs * Math.min(jobs.length, PACED_JOBS)));
      try {
        await this.run(queue, worker, jobs);
        await paced;
        return jobs.map(({ id }) => ({ id, status: 'completed' as const }));
      } catch (error) {
        if (jobs.length === 1) return [failed(jobs[0]!, error)];
        // One of them cannot be done: each on its own, so that the others are.
        return Promise.all(jobs.map((job) => this.run(queue, worker, [job]).then(() => ({ id: job.id, status: 'completed' as const }), (cause: unknown) => failed(job, cause))));
      }
    });
    this.ids.set(queue.name, id);
  }

  private async run(queue: Queue<unknown>, worker: Worker<unknown>, jobs: JobWithMetadata<object>[]): Promise<void> {
    const started = performance.now();
    const line = { queue: queue.name, jobs: jobs.map(({ id }) => id), runs: jobs[0]!.retryCount + 1 };
    const complete = async (lane: Lane, from = 0, to = jobs.length): Promise<void> => {
      // The published type of the answer is empty; at run time it counts the rows it changed.
      const { affected } = (await this.boss.complete(queue.name, jobs.slice(from, to).map(({ id, retryCount }) => ({ id, retryCount })), null, { db: lane })) as { affected?: number };
      if (affected !== to - from) throw new Error(`A job of ${queue.name} was given to another worker`);
    };
    try {
      await worker.work(jobs.map(({ data }) => data), { complete });
      this.metrics.jobs.labels(queue.name, 'completed').observe((performance.now() - started) / 1000);
      this.log.info({ ...line, duration_ms: Math.round(performance.now() - started) }, 'job');
    } catch (error) {
      this.metrics.jobs.labels(queue.name, 'failed').observe((performance.now() - started) / 1000);
      this.log.error({ ...line, duration_ms: Math.round(performance.now() - started), err: error }, 'job failed, it will be run again');
      throw error;
    }
  }
}

/** Where a job stands among others. */
interface Standing {
  order?: string;
  owner?: string;
}

interface FoundWorker extends WorksMetadata {
  worker: Worker<unknown>;
}

function failed({ id }: { id: string }, error: unknown): { id: string; status: 'failed'; output: object } {
  return { id, status: 'failed', output: { message: error instanceof Error ? error.message : String(error) } };
}
