import { Injectable } from '@nestjs/common';
import { type Lane, Log } from '../../platform/index.js';
import type { Filter } from './filter.js';
import { readFilters } from './filters.sql.js';
import { readFilter } from './read-filter.js';

const ENTRIES = 10_000;

interface Entry {
  version: number;
  filter?: Filter;
}

/** The filters of webhooks, made ready once and remembered until the webhook's version changes. */
@Injectable()
export class Filters {
  private readonly cache = new Map<string, Entry>();

  constructor(private readonly log: Log) {}

  /** The filters of these webhooks (id → version), each at least as new as the version named. A webhook without one is missing from the answer. */
  async load(lane: Lane, wanted: Map<string, number>): Promise<Map<string, Filter>> {
    const entries = new Map<string, Entry>();
    for (const [id, version] of wanted) {
      const known = this.cache.get(id);
      // Where it has been removed since it was asked for, everything passes from then on.
      entries.set(id, known && known.version >= version ? known : { version });
    }
    const missing = [...entries].filter(([id, entry]) => this.cache.get(id) !== entry).map(([id]) => id);
    if (missing.length > 0) {
      for (const { webhook_id, version, filter } of await readFilters(lane, missing)) entries.set(webhook_id, { version, filter: this.open(webhook_id, filter) });
      if (this.cache.size > ENTRIES) this.cache.clear();
      for (const id of missing) this.cache.set(id, entries.get(id)!);
    }
    return new Map([...entries].flatMap(([id, { filter }]) => (filter ? [[id, filter]] : [])));
  }

  /** A filter that was accepted once and is not any more must not hold anything up, nor lose it. */
  private open(webhookId: string, stored: unknown): Filter | undefined {
    const filter = readFilter(stored);
    if (!Array.isArray(filter)) return filter;
    this.log.error({ webhook_id: webhookId, faults: filter }, 'a stored filter cannot be read; the webhook gets everything that its patterns choose');
    return undefined;
  }
}
