import { Injectable } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { Clock, Config, HotLane, isDatabaseAway, isRefusedData, Log } from '../../platform/index.js';
import { dropIdleBlocks, fannedOutBefore, findStandingLines, letFirstGo, type Line, type WaitingLine } from './lines.sql.js';

/** Lines per statement. */
const PART = 1_000;
/** Lines that one sweep looks at: a tenth of a second's work. */
const SWEEP = 20_000;
/** How often lines are looked at again that wait for events recorded before theirs to be fanned out. */
const AGAIN_MS = 50;
const FOREVER = new Date(8.64e15);

/**
 * # Order: one at a time per key
 *
 * The deliveries of an ordered webhook that share a key form a line, in the order of the log. All of a line wait in the queue with
 * an infinite due time, except its first: {@link Lines.advance} makes that one due, and from there on it is a delivery like any
 * other, retries included. It is called for a line after anything was added to it (fan-out, redrive) and after its first has ended
 * (settling), each time after the commit, so that of two that happen at once the later sees both.
 *
 * When the first dies, the line stands still behind its dead letter (`order_blocks`), or goes on without it, as the webhook says.
 *
 * Guaranteed: of two events with the same key, of which one was acknowledged before the other was published, the other is never
 * sent before the one has ended. Publishers on several machines are compared by the clocks of the processes they published to.
 */
@Injectable()
export class Lines {
  private readonly waiting = new Map<string, Line | WaitingLine>();
  /** Where the next sweep goes on. */
  private sweptTo: Line | undefined;
  private timer: NodeJS.Timeout | undefined;
  private onDue = (): void => {};

  constructor(private readonly hot: HotLane, private readonly clock: Clock, private readonly config: Config, private readonly log: Log) {}

  /** `onDue` is called when a delivery may have become due. */
  begin(onDue: () => void): void {
    this.onDue = onDue;
  }

  end(): void {
    clearTimeout(this.timer);
    this.waiting.clear();
    this.onDue = () => {};
  }

  /** Lets the first of each line go. Never throws: what does not come through now is found by {@link sweep}. */
  async advance(lines: Iterable<Line>): Promise<void> {
    // Sorted, so that two processes lock what they both let go in the same order.
    const distinct = [...new Map([...lines].map((line) => [`${line.webhookId} ${line.orderKey}`, line])).entries()].sort(([a], [b]) => (a < b ? -1 : 1));
    for (let at = 0; at < distinct.length; at += PART) await this.letGo(distinct.slice(at, at + PART).map(([, line]) => line));
    this.wait();
  }

  private wait(): void {
    if (this.waiting.size > 0) this.timer ??= setTimeout(() => void this.again(), AGAIN_MS);
  }

  private async letGo(lines: Line[]): Promise<void> {
    let waiting: (Line | WaitingLine)[] = [];
    try {
      waiting = await letFirstGo(this.hot, lines, new Date(this.clock.now()));
      this.onDue();
    } catch (error) {
      // Somebody else let another of a line go, which this one could not see yet.
      if (isRefusedData(error)) waiting = lines;
      else if (!isDatabaseAway(error)) this.log.error({ err: error }, 'advancing ordered deliveries failed, it will be tried again');
    }
    for (const line of waiting) this.waiting.set(`${line.webhookId} ${line.orderKey}`, line);
  }

  /** Takes another look at those that have got through fan-out by now: behind a burst there may be many that have not. */
  private async again(): Promise<void> {
    this.timer = undefined;
    try {
      const pending = await fannedOutBefore(this.hot, [...new Set([...this.waiting.values()].flatMap((line) => ('tenantId' in line ? [line.tenantId] : [])))]);
      const ready = [...this.waiting].filter(([, line]) => !('tenantId' in line) || line.recordedAt < (pending.get(line.tenantId) ?? FOREVER));
      for (const [key] of ready) this.waiting.delete(key);
      await this.advance(ready.map(([, line]) => line));
    } catch (error) {
      if (!isDatabaseAway(error)) this.log.error({ err: error }, 'looking for what is fanned out failed');
      this.wait();
    }
  }

  @Interval(5_000)
  async sweep(): Promise<void> {
    if (!this.config.runsWorkers) return;
    try {
      await dropIdleBlocks(this.hot);
      const { standing, at } = await findStandingLines(this.hot, this.sweptTo, SWEEP);
      this.sweptTo = at;
      await this.advance(standing);
    } catch (error) {
      if (!isDatabaseAway(error)) this.log.error({ err: error }, 'looking for ordered deliveries that stand still failed');
    }
  }
}
