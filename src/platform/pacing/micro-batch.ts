interface Entry<Item, Result> {
  item: Item;
  weight: number;
  /** When it was handed in, by the steady clock. */
  at: number;
  resolve: (result: Result) => void;
  reject: (error: unknown) => void;
}

/**
 * Gathers single items from many callers into batches: one flush serves them all and each caller learns its own result.
 *
 * After a lull a batch leaves at once. Otherwise items gather until `paceMs` have passed since the last batch left (or
 * `maxWeight` is reached, or `enough` callers wait: they may be all there are, and wait for nobody) and fewer than `inFlight`
 * flushes run: no waiting under light load, large batches under heavy load.
 * `flush` answers one result per item, in order; when it throws, every caller of that batch is told.
 *
 * With `fairBy`, items of different keys take turns, so that one key's thousands keep no other waiting.
 */
export class MicroBatch<Item, Result> {
  /** What waits, by key, in the order of their turns. */
  private readonly waiting = new Map<string, Entry<Item, Result>[]>();
  private waitingWeight = 0;
  private waitingItems = 0;
  private running = 0;
  private lastStart = Number.NEGATIVE_INFINITY;
  /** When the last flush ended, or the first of those that run began. */
  private movedAt = 0;
  private timer: NodeJS.Timeout | undefined;
  private immediate: NodeJS.Immediate | undefined;

  constructor(
    private readonly flush: (items: Item[]) => Promise<Result[]>,
    private readonly limits: { maxWeight: number; inFlight: number; paceMs?: number; enough?: number; fairBy?: (item: Item) => string },
  ) {}

  /** Resolves with this item's result once its batch is flushed. `weight` counts against the batch limit. */
  add(item: Item, weight = 1): Promise<Result> {
    return new Promise((resolve, reject) => {
      const key = this.limits.fairBy?.(item) ?? '';
      const at = performance.now();
      const line = this.waiting.get(key);
      if (line) line.push({ item, weight, at, resolve, reject });
      else this.waiting.set(key, [{ item, weight, at, resolve, reject }]);
      this.waitingWeight += weight;
      this.waitingItems++;
      this.schedule();
    });
  }

  /** How long the first in line of the key served best has been waiting, in milliseconds: what nobody is spared. */
  get delayMs(): number {
    const now = performance.now();
    let least = now;
    for (const [first] of this.waiting.values()) least = Math.min(least, now - first!.at);
    return this.waiting.size === 0 ? 0 : least;
  }

  /** For how long no flush has come to its end although some run, in milliseconds. */
  get standingMs(): number {
    return this.running === 0 ? 0 : performance.now() - this.movedAt;
  }

  /** Rejects what has been waiting for longer than `ms`: nothing of it has been flushed, nor will it be. */
  giveUp(ms: number, reason: () => unknown): void {
    const before = performance.now() - ms;
    for (const [key, line] of this.waiting) {
      const late = line.findIndex(({ at }) => at >= before);
      for (const { weight, reject } of line.splice(0, late === -1 ? line.length : late)) {
        this.waitingWeight -= weight;
        this.waitingItems--;
        reject(reason());
      }
      if (line.length === 0) this.waiting.delete(key);
    }
  }

  /** Whether more should gather. */
  private get isShort(): boolean {
    return this.waitingWeight < this.limits.maxWeight && this.waitingItems < (this.limits.enough ?? Number.POSITIVE_INFINITY);
  }

  private schedule(): void {
    if (this.running >= this.limits.inFlight) return;
    const waitMs = this.isShort ? this.lastStart + (this.limits.paceMs ?? 0) - performance.now() : 0;
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
      this.lastStart = performance.now();
      if (this.running++ === 0) this.movedAt = this.lastStart;
      void this.run(this.take());
      if (this.limits.paceMs && this.isShort) break;
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
    this.waitingItems -= batch.length;
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
      this.movedAt = performance.now();
      if (this.waiting.size > 0) this.schedule();
    }
  }
}
