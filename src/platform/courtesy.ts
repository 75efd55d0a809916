import { Injectable } from '@nestjs/common';

/** Whoever did something within this time is about. */
const ABOUT_MS = 1_000;
/** How often the share is set anew. */
const TICK_MS = 50;
/** How much longer than in calm times others may wait. */
const PATIENCE = 2;
/** What a delay is held against until one was seen in calm times. */
const FIRST_CALM_MS = 20;
/** How much a tick counts in what is known of calm times. */
const CALM_WEIGHT = 0.05;

/** A share to begin with and never to fall below, in parts of the time; and one that leaves the work to as many cores as there are. */
const LEAST_SHARE = 1 / 16, MOST_SHARE = 8;
const RAISE = 0.01, CUT = 0.7;
/** Starts per second that are a share of one. */
const STARTS_PER_SECOND = 3_000;
/** Starts that are saved up at most, with a share of one or less. */
const MOST_SAVED = 32;
const LONGEST_REST_MS = 100;

/** Items of a part, and how long parts may take until there is a rest. */
const PART_ITEMS = 50;
const PART_MS = 3;

/** Does something long in parts, one after the other. Answers what each gave. */
export type InParts = <Item, Result>(items: Item[], part: (items: Item[]) => Promise<Result>) => Promise<Result[]>;
export const atOnce: InParts = async (items, part) => [await part(items)];

interface Stage {
  /** The usual worst delay of a tick while nobody was in bulk. */
  calmMs: number;
  worstMs: number;
}

/**
 * What tenants in bulk leave to the others: one for the process, whatever the work.
 *
 * Everybody else's delays are noted. While both kinds are about, the share of what is in bulk grows by and by as long as those
 * delays are about what they are in calm times, and is cut when they are not (additive increase, multiplicative decrease). Of
 * work in bulk ({@link run}) there is then one piece at a time, with a rest after each, so that it works for its share of the
 * time; and of starts in bulk ({@link startable}) there are so many per second. As long as only one kind is about nothing is held.
 */
@Injectable()
export class Courtesy {
  private readonly stages = new Map<string, Stage>();
  private share = LEAST_SHARE;
  private othersAt = Number.NEGATIVE_INFINITY;
  private bulkAt = Number.NEGATIVE_INFINITY;
  private tickAt = 0;
  private saved = 0;
  private savedAt = 0;
  private line: Promise<unknown> = Promise.resolve();

  /** Whether both kinds are about. */
  get isShared(): boolean {
    const now = performance.now();
    return now - this.othersAt < ABOUT_MS && now - this.bulkAt < ABOUT_MS;
  }

  /** Someone who is not in bulk waited so long at a stage of the way. */
  noteDelay(stage: string, ms: number): void {
    const now = performance.now();
    this.othersAt = now;
    const { worstMs, calmMs } = this.stages.get(stage) ?? { worstMs: 0, calmMs: FIRST_CALM_MS };
    this.stages.set(stage, { worstMs: Math.max(worstMs, ms), calmMs });
    if (now - this.tickAt >= TICK_MS) this.tick(now);
  }

  /** Runs work in bulk when it is its turn. `inParts` has it do something long a few items at a time, with rests in between. */
  async run<T>(work: (inParts: InParts) => Promise<T>): Promise<T> {
    this.noteBulk();
    if (!this.isShared) return work(atOnce);
    const before = this.line;
    const { promise, resolve: done } = Promise.withResolvers<void>();
    this.line = promise;
    await before;
    let since = performance.now();
    const rest = async (): Promise<void> => {
      await this.restSince(since);
      since = performance.now();
    };
    try {
      return await work(async (items, part) => {
        const results = [];
        for (let from = 0; from < items.length; from += PART_ITEMS) {
          if (performance.now() - since > PART_MS) await rest();
          results.push(await part(items.slice(from, from + PART_ITEMS)));
        }
        return results;
      });
    } finally {
      void rest().then(done);
    }
  }

  private async restSince(since: number): Promise<void> {
    this.noteBulk();
    if (!this.isShared) return;
    const restMs = (performance.now() - since) * (1 / this.share - 1);
    if (restMs > 0) await new Promise((resolve) => setTimeout(resolve, Math.min(restMs, LONGEST_REST_MS)));
  }

  /** How many starts in bulk may be made now; infinite when only one kind is about. */
  get startable(): number {
    if (!this.isShared) return Number.POSITIVE_INFINITY;
    const now = performance.now();
    this.saved = Math.min(MOST_SAVED * Math.max(1, this.share), this.saved + ((now - this.savedAt) / 1_000) * this.share * STARTS_PER_SECOND);
    this.savedAt = now;
    return Math.max(0, Math.floor(this.saved));
  }

  /** So many starts in bulk were made. */
  noteStarts(count: number): void {
    this.noteBulk();
    this.saved -= count;
  }

  private noteBulk(): void {
    const now = performance.now();
    // Whoever begins begins softly.
    if (now - this.bulkAt >= ABOUT_MS) this.share = LEAST_SHARE;
    this.bulkAt = now;
  }

  private tick(now: number): void {
    this.tickAt = now;
    const isCalm = now - this.bulkAt >= ABOUT_MS;
    let isLate = false;
    for (const stage of this.stages.values()) {
      if (isCalm) stage.calmMs += CALM_WEIGHT * (stage.worstMs - stage.calmMs);
      else if (stage.worstMs > PATIENCE * stage.calmMs) isLate = true;
      stage.worstMs = 0;
    }
    if (!isCalm) this.share = isLate ? Math.max(LEAST_SHARE, this.share * CUT) : Math.min(MOST_SHARE, this.share + RAISE);
  }
}
