import { Injectable } from '@nestjs/common';

/** Whoever did something within this time is about. */
const ABOUT_MS = 1_000;
/** Whoever was in bulk within this time is nobody to be considered. */
const BULK_MS = 10_000;
const TENANTS = 10_000;
/** How often the share is set anew, at most. */
const TICK_MS = 50;
/** How much longer than in calm times others may wait. */
const PATIENCE = 2;
/** What a delay is held against until one was seen in calm times. */
const FIRST_CALM_MS = 20;
/** Whatever takes longer is no calm time. */
const MOST_CALM_MS = 200;
/** How much a tick counts in what is known of calm times. */
const CALM_WEIGHT = 0.05;

/** In parts of the time. From one on nothing is held back; more only says how much has to go wrong until something is. */
const LEAST_SHARE = 1 / 16, MOST_SHARE = 1.5;
const RAISE_PER_SECOND = 0.2, CUT = 0.7;
/** Starts per second that are a share of one, and how many are saved up at most. */
const STARTS_PER_SECOND = 3_000, MOST_SAVED = 32;
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
 * work in bulk ({@link run}) there is then one piece at a time, in small parts with rests in between, so that it works for its
 * share of the time; and of starts in bulk ({@link startable}) there are so many per second. As long as only one kind is about,
 * or nobody waits for long, nothing is held back.
 */
@Injectable()
export class Courtesy {
  private readonly stages = new Map<string, Stage>();
  private share = LEAST_SHARE;
  /** When a tenant was last in bulk. */
  private readonly bulk = new Map<string, number>();
  private bulkAt = Number.NEGATIVE_INFINITY;
  /** Who else was about last, and when. */
  private other: string | undefined;
  private othersAt = Number.NEGATIVE_INFINITY;
  private tickAt = 0;
  private saved = 0;
  private savedAt = 0;
  private line: Promise<unknown> = Promise.resolve();

  /** A tenant that is not in bulk waited so long at a stage of the way. */
  noteDelay(tenantId: string, stage: string, ms: number): void {
    const now = performance.now();
    if (this.isInBulk(tenantId, now)) return;
    this.other = tenantId;
    this.othersAt = now;
    const { worstMs, calmMs } = this.stages.get(stage) ?? { worstMs: 0, calmMs: FIRST_CALM_MS };
    this.stages.set(stage, { worstMs: Math.max(worstMs, ms), calmMs });
    if (now - this.tickAt >= TICK_MS) this.tick(now);
  }

  /** Runs work in bulk of some tenants when it is its turn. `inParts` has it do something long a few items at a time, with rests in between. Once `hurry` resolves, it waits for its turn no longer. */
  async run<T>(tenantIds: Iterable<string>, work: (inParts: InParts) => Promise<T>, hurry?: Promise<void>): Promise<T> {
    this.noteBulk(tenantIds);
    if (!this.holdsBack) return work(atOnce);
    const before = this.line;
    const { promise, resolve: done } = Promise.withResolvers<void>();
    this.line = Promise.all([before, promise]);
    await Promise.race([before, ...(hurry ? [hurry] : [])]);
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
      this.noteBulk(tenantIds);
      void rest().then(done);
    }
  }

  /** Rests from what was done for a tenant since a time of the steady clock, by its share of it; not if it is not in bulk, or nothing is held back. */
  async rest(tenantId: string, since: number): Promise<void> {
    if (this.isInBulk(tenantId, performance.now())) await this.restSince(since);
  }

  /**
   * For which part of the time work in bulk may go on that is nobody's and runs elsewhere: half as long, because a thread and the
   * process of Postgres that it reads from take two processors at once. To be asked several times a second while it does.
   */
  shareOfBulk(): number {
    this.noteBulk([]);
    return this.holdsBack ? Math.max(LEAST_SHARE, this.share / 2) : 1;
  }

  /** How many starts in bulk may be made now; infinite when nothing is held back. */
  get startable(): number {
    if (!this.holdsBack) return Number.POSITIVE_INFINITY;
    const now = performance.now();
    this.saved = Math.min(MOST_SAVED, this.saved + ((now - this.savedAt) / 1_000) * this.share * STARTS_PER_SECOND);
    this.savedAt = now;
    return Math.max(0, Math.floor(this.saved));
  }

  /** A start in bulk was made. */
  noteStart(tenantId: string): void {
    this.noteBulk([tenantId]);
    if (this.holdsBack) this.saved -= 1;
  }

  /** Whether bulk has to wait for others just now. */
  get holdsBack(): boolean {
    const now = performance.now();
    return this.share < 1 && now - this.othersAt < ABOUT_MS && now - this.bulkAt < ABOUT_MS;
  }

  private isInBulk(tenantId: string, now: number): boolean {
    return now - (this.bulk.get(tenantId) ?? Number.NEGATIVE_INFINITY) < BULK_MS;
  }

  private noteBulk(tenantIds: Iterable<string>): void {
    const now = performance.now();
    // Whoever begins begins softly.
    if (now - this.bulkAt >= ABOUT_MS) this.share = LEAST_SHARE;
    this.bulkAt = now;
    if (this.bulk.size >= TENANTS) this.bulk.clear();
    for (const tenantId of tenantIds) {
      this.bulk.set(tenantId, now);
      if (tenantId === this.other) this.othersAt = Number.NEGATIVE_INFINITY;
    }
  }

  private async restSince(since: number): Promise<void> {
    if (!this.holdsBack) return;
    const restMs = (performance.now() - since) * (1 / this.share - 1);
    if (restMs > 0) await new Promise((resolve) => setTimeout(resolve, Math.min(restMs, LONGEST_REST_MS)));
  }

  private tick(now: number): void {
    const sinceMs = Math.min(now - this.tickAt, ABOUT_MS);
    this.tickAt = now;
    const isCalm = now - this.bulkAt >= ABOUT_MS;
    let isLate = false;
    for (const stage of this.stages.values()) {
      if (isCalm) stage.calmMs += CALM_WEIGHT * (Math.min(stage.worstMs, MOST_CALM_MS) - stage.calmMs);
      else if (stage.worstMs > PATIENCE * stage.calmMs) isLate = true;
      stage.worstMs = 0;
    }
    if (!isCalm) this.share = isLate ? Math.max(LEAST_SHARE, this.share * CUT) : Math.min(MOST_SHARE, this.share + (sinceMs / 1_000) * RAISE_PER_SECOND);
  }
}
