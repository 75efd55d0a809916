/** How long a key is remembered by others. */
const SHARED_MS = 1_000;
/** A flush that took longer did not wait for the machine but for something else. */
const LONGEST_REST_MS = 500;

interface Entry<Item, Result> {
  item: Item;
  weight: number;
  resolve: (result: Result) => void;
  reject: (error: unknown) => void;
}

/**
 * Gathers single items from many callers into batches: one flush serves them all and each caller learns its own result.
 *
 * After a lull a batch leaves at once. Otherwise items gather until `paceMs` have passed since the last batch left (or
 * `maxWeight` is reached) and fewer than `inFlight` flushes run: no waiting under light load, large batches under heavy load.
 * `flush` answers one result per item, in order; when it throws, every caller of that batch is told.
 *
 * With `fairBy`, items of different keys take turns, so that one key's thousands keep no other waiting. And unless it has been
 * alone for a second, a key whose last flush was a large one of its own has one at a time, and rests after each for as long as
 * it took, within bounds: the machine is for others, too.
 */
export class MicroBatch<Item, Result> {
  /** What waits, by key, in the order of their turns. */
  private readonly waiting = new Map<string, Entry<Item, Result>[]>();
  private waitingWeight = 0;
  private running = 0;
  /** In how many running flushes a key takes part. */
  private readonly runningOf = new Map<string, number>();
  /** Until when a key rests whose last flush was large. */
  private readonly resting = new Map<string, number>();
  private lastKey = '';
  /** Until when more than one key counts as being about. */
  private sharedUntil = Number.NEGATIVE_INFINITY;
  private lastStart = Number.NEGATIVE_INFINITY;
  private timer: NodeJS.Timeout | undefined;
  private timerAt = 0;
  private immediate: NodeJS.Immediate | undefined;

  constructor(
    private readonly flush: (items: Item[]) => Promise<Result[]>,
    private readonly limits: { maxWeight: number; inFlight: number; paceMs?: number; fairBy?: (item: Item) => string },
  ) {}

  /** Resolves with this item's result once its batch is flushed. `weight` counts against the batch limit. */
  add(item: Item, weight = 1): Promise<Result> {
    return new Promise((resolve, reject) => {
      const key = this.limits.fairBy?.(item) ?? '';
      if (key !== this.lastKey) this.sharedUntil = performance.now() + SHARED_MS;
      this.lastKey = key;
      const line = this.waiting.get(key);
      if (line) line.push({ item, weight, resolve, reject });
      else this.waiting.set(key, [{ item, weight, resolve, reject }]);
      this.waitingWeight += weight;
      this.schedule();
    });
  }

  private schedule(): void {
    if (this.running >= this.limits.inFlight) return;
    const now = performance.now();
    let at = Number.POSITIVE_INFINITY;
    for (const key of this.waiting.keys()) {
      at = Math.min(at, this.readyAt(key, now));
      if (at <= now) break;
    }
    if (this.waitingWeight < this.limits.maxWeight) at = Math.max(at, this.lastStart + (this.limits.paceMs ?? 0));
    if (at === Number.POSITIVE_INFINITY) return;
    if (at > now + 0.5) {
      if (this.timer && this.timerAt <= at) return;
      clearTimeout(this.timer);
      this.timerAt = at;
      this.timer = setTimeout(() => this.start(), at - now);
    } else {
      // After the I/O phase of this turn, so that all requests that arrived together share a batch.
      this.immediate ??= setImmediate(() => this.start());
    }
  }

  private start(): void {
    clearTimeout(this.timer);
    clearImmediate(this.immediate);
    this.timer = this.immediate = undefined;
    while (this.waiting.size > 0 && this.running < this.limits.inFlight) {
      const { batch, keys } = this.take();
      if (batch.length === 0) break;
      this.running++;
      this.lastStart = performance.now();
      void this.run(batch, keys);
      if (this.limits.paceMs && this.waitingWeight < this.limits.maxWeight) break;
    }
    if (this.waiting.size > 0) this.schedule();
  }

  /** When a key may take part in a flush: infinity for as long as one of its own runs that it has to wait for. */
  private readyAt(key: string, now: number): number {
    const rested = now < this.sharedUntil ? this.resting.get(key) : undefined;
    if (rested === undefined) return now;
    return this.runningOf.has(key) ? Number.POSITIVE_INFINITY : rested;
  }

  /** The next batch: one item of each key in turn, until the next would be too much. Who was served goes to the end. Empty when none may go. */
  private take(): { batch: Entry<Item, Result>[]; keys: string[] } {
    const batch: Entry<Item, Result>[] = [];
    let weight = 0;
    const taken = new Map<string, number>();
    const now = performance.now();
    for (let before = -1; batch.length > before; ) {
      before = batch.length;
      for (const [key, line] of this.waiting) {
        if (this.readyAt(key, now) > now) continue;
        const entry = line[taken.get(key) ?? 0];
        if (!entry || (batch.length > 0 && weight + entry.weight > this.limits.maxWeight)) continue;
        batch.push(entry);
        weight += entry.weight;
        taken.set(key, (taken.get(key) ?? 0) + 1);
      }
    }
    for (const [key, count] of taken) {
      const line = this.waiting.get(key)!;
      line.splice(0, count);
      this.waiting.delete(key);
      if (line.length > 0) this.waiting.set(key, line);
    }
    this.waitingWeight -= weight;
    return { batch, keys: [...taken.keys()] };
  }

  private async run(batch: Entry<Item, Result>[], keys: string[]): Promise<void> {
    const started = performance.now();
    for (const key of keys) this.runningOf.set(key, (this.runningOf.get(key) ?? 0) + 1);
    try {
      const results = await this.flush(batch.map((entry) => entry.item));
      batch.forEach((entry, index) => entry.resolve(results[index]!));
    } catch (error) {
      for (const entry of batch) entry.reject(error);
    } finally {
      this.running--;
      const ended = performance.now();
      const isLarge = keys.length === 1 && batch.reduce((sum, { weight }) => sum + weight, 0) >= this.limits.maxWeight / 4;
      for (const key of keys) {
        if (isLarge) this.resting.set(key, ended + Math.min(ended - started, LONGEST_REST_MS));
        else this.resting.delete(key);
        const left = this.runningOf.get(key)! - 1;
        if (left > 0) this.runningOf.set(key, left);
        else this.runningOf.delete(key);
      }
      if (this.waiting.size > 0) this.schedule();
    }
  }
}
