import { Injectable } from '@nestjs/common';
import { type Lane, Turns } from '../../platform/index.js';
import type { Filter } from '../filters/filter.js';
import { Filters } from '../filters/filters.js';
import type { Subject } from '../filters/path.js';
import { orderKeyOf } from '../order/order-key.js';
import { type FanOutEvent, readDocuments, type Target } from './fan-out.sql.js';

/** An event and the webhooks that it is for. */
export interface Chosen {
  event: FanOutEvent;
  targets: Target[];
  /** By webhook: the key that decides which line the event stands in. */
  orderKeys: Map<string, string>;
}

/** Documents are read in parts of about this size: an event may hold 5 MiB, and a batch a thousand of them. */
const READ_BYTES = 1024 * 1024;

/** What depends on an event's documents: takes out what the filters of webhooks refuse, and finds the keys of those that are ordered. */
@Injectable()
export class Sieve {
  constructor(private readonly filters: Filters) {}

  /**
   * Removes refused targets from `chosen`, in place, and counts them in `refused` by webhook; fills in `orderKeys`. Reads the
   * documents of those events only that a webhook with a filter or a key is to get, and parses each once however many look at it.
   */
  async sift(lane: Lane, tenantId: string, recordedAt: Date, chosen: Chosen[], refused: Map<string, number>): Promise<void> {
    const questioned = chosen.filter(({ targets }) => targets.some(looksInside));
    if (questioned.length === 0) return;
    const wanted = new Map(questioned.flatMap(({ targets }) => targets.filter(({ has_filter }) => has_filter).map(({ webhook_id, version }) => [webhook_id, version])));
    const filters = await this.filters.load(lane, wanted);
    const turns = new Turns();
    for (const part of partsOf(questioned)) {
      const documents = await readDocuments(lane, tenantId, recordedAt, part.map(({ event }) => event.event_id));
      for (const each of part) {
        const document = documents.get(each.event.event_id);
        if (!document) continue;
        const subject: Subject = { event_type: each.event.event_type, data: JSON.parse(document.data), metadata: JSON.parse(document.metadata) };
        const left: Target[] = [];
        for (const target of each.targets) {
          if (passes(filters.get(target.webhook_id), subject)) {
            left.push(target);
            if (target.ordered) each.orderKeys.set(target.webhook_id, orderKeyOf(target.order_key, subject));
          } else refused.set(target.webhook_id, (refused.get(target.webhook_id) ?? 0) + 1);
          if (turns.isOver) await turns.next();
        }
        each.targets = left;
      }
    }
  }
}

/** Whether a webhook's deliveries depend on what is in an event. */
export function looksInside({ has_filter, ordered, order_key }: Target): boolean {
  return has_filter || (ordered && order_key !== null);
}

function passes(filter: Filter | undefined, subject: Subject): boolean {
  return filter === undefined || filter.passes(subject);
}

function* partsOf(questioned: Chosen[]): Generator<Chosen[]> {
  let part: Chosen[] = [];
  let bytes = 0;
  for (const each of questioned) {
    if (part.length > 0 && bytes + each.event.size > READ_BYTES) {
      yield part;
      part = [];
      bytes = 0;
    }
    part.push(each);
    bytes += each.event.size;
  }
  yield part;
}
