import { setTimeout } from 'node:timers/promises';
import { type BeforeApplicationShutdown, Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { Events, type Publish } from '../../events/index.js';
import { type Frame, Health, HotLane, isDatabaseAway, isPassing, isRefusedData, lacksPartition, Log, Metrics, Outage, type Segment, Spool } from '../../platform/index.js';
import { Capture } from '../capture.js';
import { decode } from './spooled.js';
import { advance, forgetSegment, isUnderWay, keepRefused, positionOf } from './spool.sql.js';

/** Events per transaction: some ten milliseconds of Postgres's time, so that live traffic hardly waits. */
const CHUNK_EVENTS = 500;
const CHUNK_BYTES = 1024 * 1024;
/** The drainer rests for as long as it worked, so that live traffic has at least half of everything. */
const MOST_REST_MS = 500;
const LOOK_MS = 250;
/** Between two looks for folders of processes that are gone, and after what went wrong. */
const ADOPT_MS = 30_000;
const AFTER_FAILURE_MS = 1_000;
const LAST_WORDS_MS = 1_000;
/** What one chunk may take. */
const PATIENCE_MS = 15_000;

interface Record extends Frame {
  /** Absent, when the record cannot be read. */
  publish?: Publish;
  xid?: string;
}

/** Somebody else has drained what we were about to. */
class Overtaken extends Error {}

/**
 * Stores what the spool holds, the oldest first, whenever Postgres is there. How far it came is a row that is written in the same
 * transaction, so a drainer that is killed, or whose commit is not answered, stores nothing twice.
 */
@Injectable()
export class Drainer implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly stopping = new AbortController();
  private running: Promise<void> = Promise.resolve();

  constructor(
    @Inject(Spool) private readonly spool: Spool | undefined,
    private readonly outage: Outage,
    private readonly hot: HotLane,
    private readonly capture: Capture,
    private readonly events: Events,
    private readonly metrics: Metrics,
    private readonly health: Health,
    private readonly log: Log,
  ) {}

  onApplicationBootstrap(): void {
    const { spool } = this;
    if (!spool) return;
    this.metrics.gaugeOf('lakehook_spool_bytes', 'Bytes in the spool of this process, acknowledged and not yet in the log.', () => spool.bytes);
    this.health.add('spool', () => (spool.isEmpty ? 'ok' : `${spool.bytes} bytes wait to be stored`));
    // Whoever can keep what it acknowledges is ready, whether or not Postgres is there.
    this.health.excuse(['database', 'dispatcher'], () => (spool.hasRoom ? 'events go to the spool' : undefined));
    this.running = this.run(spool);
  }

  /** What is not drained by now stays on the disk, for the next start. */
  async beforeApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    // Nobody waits for a Postgres that is silent: what was under way is not half done, it is done or not.
    await Promise.race([this.running, setTimeout(LAST_WORDS_MS)]);
    await this.spool?.close();
  }

  private async run(spool: Spool): Promise<void> {
    let adopted = performance.now();
    while (!this.stopping.signal.aborted) {
      try {
        if (!this.outage.isOn && performance.now() - adopted > ADOPT_MS) {
          await spool.adopt();
          adopted = performance.now();
        }
        if (!this.outage.isOn && !spool.isEmpty) await this.drain(spool);
        await this.pause(LOOK_MS);
      } catch (error) {
        if (this.stopping.signal.aborted) return;
        if (error instanceof Overtaken) continue;
        if (isDatabaseAway(error) || lacksPartition(error)) this.outage.begin(error);
        if (isPassing(error)) this.log.warn({ err: error }, 'draining the spool was interrupted');
        else this.log.error({ err: error }, 'draining the spool failed, it will be tried again');
        await this.pause(AFTER_FAILURE_MS);
      }
    }
  }

  /** A segment that cannot be read does not hold up those behind it: it is tried again with the next round. */
  private async drain(spool: Spool): Promise<void> {
    const faults: unknown[] = [];
    for (const segment of await spool.sealed()) {
      const loaded = await spool.load(segment).catch((err: unknown) => {
        this.log.error({ err, segment: segment.id }, 'a segment of the spool cannot be read, those behind it are drained first');
        faults.push(err);
      });
      if (!loaded) continue;
      const { frames, damagedBytes } = loaded;
      let position = await positionOf(this.hot, segment.id);
      const left = frames.filter(({ start }) => start >= position);
      for (const chunk of chunksOf(left.map(recordOf))) {
        const started = performance.now();
        await this.untilSettled(chunk);
        position = await this.store(segment, position, chunk);
        await this.pause(Math.min(performance.now() - started, MOST_REST_MS));
        this.stopping.signal.throwIfAborted();
      }
      await spool.drop(segment);
      this.metrics.spoolDamagedBytes.inc(damagedBytes);
      await forgetSegment(this.hot, segment.id);
      if (left.length > 0) this.log.info({ segment: segment.id, records: left.length }, 'a segment of the spool is drained');
    }
    if (faults.length > 0) throw faults[0];
  }

  /** A first try that hangs somewhere may still commit; only then can be told what is in the log. */
  private async untilSettled(chunk: Record[]): Promise<void> {
    const xids = chunk.flatMap(({ xid }) => xid ?? []);
    while (xids.length > 0 && (await isUnderWay(this.hot, xids))) {
      await this.pause(LOOK_MS);
      this.stopping.signal.throwIfAborted();
    }
  }

  /** Stores records and how far that leads, in one transaction; answers the latter. What Postgres refuses is found by halving. */
  private async store(segment: Segment, from: number, records: Record[]): Promise<number> {
    const to = records.at(-1)!.end;
    const publishes = records.flatMap(({ publish }) => publish ?? []);
    const unreadable = publishes.length === 0;
    try {
      const appended = await this.hot.abortable(AbortSignal.any([this.stopping.signal, AbortSignal.timeout(PATIENCE_MS)]), async (lane) => {
        if (!(await advance(lane, segment.id, from, to))) throw new Overtaken();
        if (unreadable) await keepRefused(lane, segment.id, from, 'unreadable', records[0]!.payload);
        return unreadable ? [] : (await this.capture.append(lane, this.events.recordingTime(), publishes, 'in bulk')).flat();
      });
      const duplicates = appended.filter(({ duplicate }) => duplicate).length;
      this.metrics.eventsAppended.inc(appended.length - duplicates);
      this.metrics.eventsDuplicate.inc(duplicates);
      this.metrics.eventsDrained.inc(appended.length);
      if (unreadable) this.metrics.spoolRefused.inc();
      return to;
    } catch (error) {
      if (!isRefusedData(error)) throw error;
      if (records.length === 1) return this.refuse(segment, from, records[0]!, error as Error);
      const middle = records.length >> 1;
      return this.store(segment, await this.store(segment, from, records.slice(0, middle)), records.slice(middle));
    }
  }

  private async refuse(segment: Segment, from: number, { end, payload }: Record, cause: Error): Promise<number> {
    await this.hot.transaction(async (lane) => {
      if (!(await advance(lane, segment.id, from, end))) throw new Overtaken();
      await keepRefused(lane, segment.id, from, cause.message, payload);
    });
    this.metrics.spoolRefused.inc();
    this.log.error({ err: cause, segment: segment.id, position: from }, 'an acknowledged record cannot be stored and is kept in spool_refused');
    return end;
  }

  private async pause(ms: number): Promise<void> {
    await setTimeout(ms, undefined, { signal: this.stopping.signal }).catch(() => {});
  }
}

/** A record that cannot be read is a chunk of its own. */
function recordOf(frame: Frame): Record {
  try {
    return { ...frame, ...decode(frame.payload) };
  } catch {
    return frame;
  }
}

function* chunksOf(records: Record[]): Generator<Record[]> {
  let chunk: Record[] = [];
  let events = 0;
  let bytes = 0;
  for (const record of records) {
    const isFull = events + (record.publish?.events.length ?? 0) > CHUNK_EVENTS || bytes + record.payload.length > CHUNK_BYTES;
    if (chunk.length > 0 && (isFull || !record.publish || !chunk[0]!.publish)) {
      yield chunk;
      chunk = [];
      events = bytes = 0;
    }
    chunk.push(record);
    events += record.publish?.events.length ?? 0;
    bytes += record.payload.length;
  }
  if (chunk.length > 0) yield chunk;
}
