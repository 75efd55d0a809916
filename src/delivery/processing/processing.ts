import { setTimeout } from 'node:timers/promises';
import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { Audit, type Caller } from '../../auth/index.js';
import { Clock, Config, Database, type Fetching, isDatabaseAway, Jobs, type Lane, laneOn, Log, queues } from '../../platform/index.js';
import type { ProcessingView, SteerProcessing } from './processing.dto.js';
import { endPace, readBacklog, readHeads, readState, spendTime } from './processing.sql.js';

const TICK_MS = 500;
/** A wait up to this long is sat out; for a longer one no jobs are taken at all, so that none lies with a process that only waits. */
const SAT_OUT_MS = 1_000;
/** When nothing that waits is older, nor from before the resume, the backlog is worked off. */
const CAUGHT_UP_MS = 2_000;
/** While the backlog is worked off, a queue waits that is further ahead of another: what was recorded first goes first. */
const ABREAST_MS = 1_000;

/**
 * Whether fan-out goes on, as an operator has said: in Postgres, so that it outlives every process, and obeyed by each within a
 * second. Held is the fetching of jobs: they wait in their queue, in the order of the log, at no cost to their retries.
 */
@Injectable()
export class Processing implements OnApplicationBootstrap {
  private readonly queues = [...queues.values()].filter(({ pausable }) => pausable);
  private paced = false;
  private obeyed: Promise<void> = Promise.resolve();

  constructor(
    private readonly db: Database, private readonly jobs: Jobs, private readonly clock: Clock, private readonly audit: Audit, private readonly config: Config, private readonly log: Log,
  ) {}

  async status(): Promise<ProcessingView> {
    const row = await this.db.client.processing.findFirstOrThrow();
    const { events, oldest } = await readBacklog(laneOn(this.db.client), this.queues);
    const draining = !row.paused && row.eventsPerSecond !== null;
    return {
      paused: row.paused, reason: row.reason, resume_events_per_second: row.eventsPerSecond, draining, events_waiting: events, oldest_waiting_at: oldest?.toISOString() ?? null,
      expected_end: draining ? new Date(this.clock.now() + (events / row.eventsPerSecond!) * 1_000).toISOString() : null, changed_at: row.changedAt?.toISOString() ?? null,
    };
  }

  async steer(caller: Caller, { paused, reason = null, resume_events_per_second: pace }: SteerProcessing): Promise<ProcessingView> {
    await this.db.transaction(async (tx) => {
      const before = await tx.processing.findFirstOrThrow();
      const after = await tx.processing.update({
        where: { processingId: before.processingId }, data: { paused, reason, freeAt: null, changedAt: new Date(this.clock.now()), ...(pace !== undefined && { eventsPerSecond: pace }) },
      });
      const shown = ({ paused: is, reason: why, eventsPerSecond }: typeof after): object => ({ paused: is, reason: why, resume_events_per_second: eventsPerSecond });
      await this.audit.record(tx, caller, { action: paused ? 'processing.paused' : 'processing.resumed', subject_type: 'processing', subject_id: 'processing', before: shown(before), after: shown(after) });
    });
    await this.obey();
    return this.status();
  }

  /** Before the first job is fetched: a process that died in a pause wakes up in it. */
  async onApplicationBootstrap(): Promise<void> {
    if (this.config.runsWorkers) await this.follow();
  }

  /** Takes what fan-out of events costs at the pace, in its transaction. Answers what {@link rest} is to be told after it. */
  async spend(lane: Lane, events: number): Promise<number> {
    return this.paced ? spendTime(lane, events) : 0;
  }

  async rest(ms: number): Promise<void> {
    if (ms > SAT_OUT_MS) await this.obey();
    else if (ms > 0) await setTimeout(ms);
  }

  /** One after another, for a queue must not be told two things at once. */
  @Interval(TICK_MS)
  obey(): Promise<void> {
    if (!this.config.runsWorkers) return Promise.resolve();
    return (this.obeyed = this.obeyed.then(() => this.follow()).catch((error: unknown) => {
      if (!isDatabaseAway(error)) this.log.error({ err: error }, 'obeying the state of processing failed');
    }));
  }

  private async follow(): Promise<void> {
    const lane = laneOn(this.db.client);
    const { paused, events_per_second: pace, changed_at: resumedAt, wait_ms: waitMs } = await readState(lane);
    this.paced = pace !== null;
    if (paused || pace === null) return this.fetch(() => (paused ? 'held' : 'gathered'));
    const heads = await readHeads(lane, this.queues);
    const oldest = Math.min(...heads.values());
    if (oldest > Math.max(resumedAt?.getTime() ?? 0, this.clock.now() - CAUGHT_UP_MS)) await endPace(lane, pace);
    await this.fetch((name) => (waitMs > SAT_OUT_MS / 2 || (heads.get(name) ?? oldest) > oldest + ABREAST_MS ? 'held' : 'sparsely'));
  }

  private async fetch(how: (queue: string) => Fetching): Promise<void> {
    for (const queue of this.queues) await this.jobs.fetch(queue, how(queue.name));
  }
}
