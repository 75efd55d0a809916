import type { EventsAppended } from '../../events/index.js';
import { Courtesy, type JobBatch, type Worker, Works } from '../../platform/index.js';
import { FanOut } from './fan-out.js';
import { bulkFanOut, fanOut } from './fan-out.jobs.js';

// Gathering batches into one transaction is what makes fan-out cheap.
const GATHERED = { batchSize: 16, paceMs: 5 };

@Works(fanOut, GATHERED)
export class FanOutWorker implements Worker<EventsAppended> {
  constructor(private readonly fanOut: FanOut) {}

  work(appended: EventsAppended[], batch: JobBatch): Promise<void> {
    return this.fanOut.run(appended, batch);
  }
}

// Few, so that a pause is obeyed soon: a job of these is a step or two.
@Works(bulkFanOut, { ...GATHERED, batchSize: 4 })
export class BulkFanOutWorker implements Worker<EventsAppended> {
  constructor(private readonly fanOut: FanOut, private readonly courtesy: Courtesy) {}

  work(appended: EventsAppended[], batch: JobBatch): Promise<void> {
    return this.fanOut.run(appended, batch, this.courtesy);
  }
}
