import { Injectable } from '@nestjs/common';
import type { Caller } from '../../auth/index.js';
import { Catalogues, Events } from '../../events/index.js';
import { Database, Problem } from '../../platform/index.js';
import type { FilterTrial, TryFilter } from '../filters/filters.dto.js';
import type { Subject } from '../filters/path.js';
import { readFilter } from '../filters/read-filter.js';
import { Webhooks } from '../webhooks/webhooks.js';
import { approvedPatterns } from '../partners/partners.sql.js';
import { chooses } from './match.js';

/** Answers whether a webhook would get an event, and if not, why, as fan-out would decide it. */
@Injectable()
export class FilterTrials {
  constructor(private readonly db: Database, private readonly events: Events, private readonly webhooks: Webhooks, private readonly catalogues: Catalogues) {}

  async try(caller: Caller, webhookId: string, { event, event_id, filter }: TryFilter): Promise<FilterTrial> {
    const webhook = await this.webhooks.find(this.db.client, caller, webhookId);
    if (event && event_id !== undefined) throw Problem.invalid({ pointer: '/event_id', detail: 'must not be given beside event' });
    const tried = filter === undefined ? webhook.filter : filter;
    const read = tried === null ? undefined : readFilter(tried);
    if (Array.isArray(read)) throw Problem.invalid(...read);
    const { subject, masked } = event ? { subject: event, masked: false } : await this.stored(caller, event_id!);
    const refusal = read?.explain(subject) ?? null;
    const approved = await approvedPatterns(this.db.client, webhook);
    return { matches: refusal === null, refused_by: refusal, matches_events: chooses({ events: webhook.events, approved }, subject.event_type), masked };
  }

  /** An event as the caller may see it: by asking one filter after another, whoever may not could find out all that is masked. */
  private async stored(caller: Caller, eventId: string): Promise<{ subject: Subject; masked: boolean }> {
    const event = await this.events.find(this.db.client, caller.tenantId, eventId);
    const { event_type, data, metadata } = (await this.catalogues.viewFor(caller))(event);
    return { subject: { event_type, data: JSON.parse(data), metadata: JSON.parse(metadata) }, masked: data !== event.data };
  }
}
