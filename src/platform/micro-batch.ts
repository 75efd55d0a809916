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
 * With `fairBy`, items of different keys take turns, so that one key's thousands keep no other waiting.
 */
export class MicroBatch<Item, Result> {
  /** What waits, by key, in the order of their turns. */
  private readonly waiting = new Map<string, Entry<Item, Result>[]>();
  private waitingWeight = 0;
  private running = 0;
  private lastStart = Number.NEGATIVE_INFINITY;
  private timer: NodeJS.Timeout | undefined;
  private immediate: NodeJS.Immediate | undefined;

  constructor(
    private readonly flush: (items: Item[]) => Promise<Result[]>,
    private readonly limits: { maxWeight: number; inFlight: number; paceMs?: number; fairBy?: (item: Item) => string },
  ) {}

  /** Resolves with this item's result once its batch is flushed. `weight` counts against the batch limit. */
  add(item: Item, weight = 1): Promise<Result> {
    return new Promise((resolve, reject) => {
      const key = this.limits.fairBy?.(item) ?? '';
      const line = this.waiting.get(key);
      if (line) line.push({ item, weight, resolve, reject });
      else this.waiting.set(key, [{ item, weight, resolve, reject }]);
      this.waitingWeight += weight;
      this.schedule();
    });
  }

  private schedule(): void {
    if (this.running >= this.limits.inFlight) return;
    const waitMs = this.waitingWeight < this.limits.maxWeight ? this.lastStart + (this.limits.paceMs ?? 0) - performance.now() : 0;
    if (waitMs > 0.5) {
      this.timer ??= setTimeout(() => this.start(), waitMs);
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
      this.running++;
      this.lastStart = performance.now();
      void this.run(this.take());
      if (this.limits.paceMs && this.waitingWeight < this.limits.maxWeight) break;
    }
    if (this.waiting.size > 0) this.schedule();
  }

  /** The next batch: one item of each key in turn, until the next would be too much. Who was served goes to the end. */
  private take(): Entry<Item, Result>[] {
    const batch: Entry<Item, Result>[] = [];
    let weight = 0;
    const taken = new Map<string, number>();
    for (let before = -1; batch.length > before; ) {
      before = batch.length;
      for (const [key, line] of this.waiting) {
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
    return batch;
  }

  private async run(batch: Entry<Item, Result>[]): Promise<void> {
    try {
      const results = await this.flush(batch.map((entry) => entry.item));
      batch.forEach((entry, index) => entry.resolve(results[index]!));
    } catch (error) {
      for (const entry of batch) entry.reject(error);
    } finally {
      this.running--;
      if (this.waiting.size > 0) this.schedule();
    }
  }
}
