/**
 * Gathers single items from many callers into batches: one flush serves them all and each caller learns its own result.
 *
 * After a lull a batch leaves at once. Otherwise items gather until `paceMs` have passed since the last batch left (or
 * `maxWeight` is reached) and fewer than `inFlight` flushes run: no waiting under light load, large batches under heavy load.
 * `flush` answers one result per item, in order; when it throws, every caller of that batch is told.
 */
export class MicroBatch<Item, Result> {
  private readonly waiting: { item: Item; weight: number; resolve: (result: Result) => void; reject: (error: unknown) => void }[] = [];
  private waitingWeight = 0;
  private running = 0;
  private lastStart = Number.NEGATIVE_INFINITY;
  private timer: NodeJS.Timeout | undefined;
  private immediate: NodeJS.Immediate | undefined;

  constructor(
    private readonly flush: (items: Item[]) => Promise<Result[]>,
    private readonly limits: { maxWeight: number; inFlight: number; paceMs?: number },
  ) {}

  /** Resolves with this item's result once its batch is flushed. `weight` counts against the batch limit. */
  add(item: Item, weight = 1): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ item, weight, resolve, reject });
      this.waitingWeight += weight;
      this.schedule();
    });
  }

  private schedule(): void {
    if (this.running >= this.limits.inFlight) return;
    const early = this.lastStart + (this.limits.paceMs ?? 0) - performance.now();
    if (early > 0.5 && this.waitingWeight < this.limits.maxWeight) {
      this.timer ??= setTimeout(() => this.start(), early);
    } else {
      // After the I/O phase of this turn, so that all requests that arrived together share a batch.
      this.immediate ??= setImmediate(() => this.start());
    }
  }

  private start(): void {
    clearTimeout(this.timer);
    clearImmediate(this.immediate);
    this.timer = this.immediate = undefined;
    while (this.waiting.length > 0 && this.running < this.limits.inFlight) {
      let weight = 0;
      let count = 0;
      while (count < this.waiting.length && (count === 0 || weight + this.waiting[count]!.weight <= this.limits.maxWeight)) weight += this.waiting[count++]!.weight;
      const batch = this.waiting.splice(0, count);
      this.waitingWeight -= weight;
      this.running++;
      this.lastStart = performance.now();
      void this.run(batch);
      if (this.limits.paceMs && this.waitingWeight < this.limits.maxWeight) break;
    }
    if (this.waiting.length > 0) this.schedule();
  }

  private async run(batch: typeof this.waiting): Promise<void> {
    try {
      const results = await this.flush(batch.map((entry) => entry.item));
      batch.forEach((entry, index) => entry.resolve(results[index]!));
    } catch (error) {
      for (const entry of batch) entry.reject(error);
    } finally {
      this.running--;
      if (this.waiting.length > 0) this.schedule();
    }
  }
}
