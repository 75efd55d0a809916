import { Injectable } from '@nestjs/common';
import { type Caller, permits } from '../../auth/index.js';
import { Config, Database, Outage, Remembered } from '../../platform/index.js';
import type { EventRow } from '../events.sql.js';
import { Catalogue, KeptSchema } from './catalogue.js';
import { readCatalogue, readSchemas } from './event-types.sql.js';

/** How long a catalogue is used before anybody asks whether it has changed: what bounds how late another process sees a change. */
const CACHE_MS = 800;
const MAX_CATALOGUES = 10_000;
const UNKNOWN = new Catalogue(0n, new Map(), false);

/**
 * The catalogues of tenants, remembered: a look-up per tenant and 0.8 s, of one number, and the rest only when that has changed.
 * Schemas stay compiled as long as they are in use. While Postgres is away the last known ones serve on.
 */
@Injectable()
export class Catalogues {
  private readonly remembered: Remembered<Catalogue>;
  private readonly last = new Map<string, Catalogue>();

  constructor(private readonly db: Database, private readonly config: Config, private readonly outage: Outage) {
    this.remembered = new Remembered(outage, (tenantId) => this.load(tenantId), { freshMs: CACHE_MS, entries: MAX_CATALOGUES });
  }

  of(tenantId: string): Promise<Catalogue> {
    return this.remembered.get(tenantId);
  }

  /**
   * What comes in for a tenant is held against this. Of a tenant that this process has not seen yet nothing is known while
   * Postgres is away, and nothing is checked: rather that than lose an event.
   */
  async atTheDoor(tenantId: string): Promise<Catalogue> {
    try {
      return await this.of(tenantId);
    } catch (error) {
      if (this.outage.isOn) return UNKNOWN;
      throw error;
    }
  }

  /** Has a tenant's catalogue looked up again before its next use. */
  forget(tenantId: string): void {
    this.remembered.forget(tenantId);
  }

  /** How a caller sees events: as they are, or with what is sensitive masked. */
  async viewFor({ tenantId, scopes }: Caller): Promise<(event: EventRow) => EventRow> {
    if (permits(scopes, 'events:read_sensitive')) return (event) => event;
    const catalogue = await this.of(tenantId);
    return (event) => ({ ...event, data: catalogue.mask(event.event_type, event.data) });
  }

  /** Whether what is made of an event of this type (an answer that may echo it, a key taken from it) is to be kept from a caller. */
  async secrecyFor({ tenantId, scopes }: Caller): Promise<(eventType: string) => boolean> {
    if (permits(scopes, 'events:read_sensitive')) return () => false;
    const catalogue = await this.of(tenantId);
    return (eventType) => catalogue.isSensitive(eventType);
  }

  /** Whether a caller may not see bytes of which nobody can say what type of event they are: they may be of any. */
  async hidesBytes({ tenantId, scopes }: Caller): Promise<boolean> {
    return !permits(scopes, 'events:read_sensitive') && (await this.of(tenantId)).holdsSensitive;
  }

  private async load(tenantId: string): Promise<Catalogue> {
    const known = this.last.get(tenantId);
    // Before the rows: should they change in between, the next look finds a higher number.
    const revision = (await this.db.client.eventCatalogue.findUnique({ where: { tenantId } }))?.revision ?? 0n;
    if (known?.revision === revision) return known;
    const rows = revision === 0n ? [] : await readCatalogue(this.db.client, tenantId);
    const active = rows.flatMap(({ name, version, archived }) => (version === null || archived ? [] : [{ name, version }]));
    const kept = (name: string): KeptSchema | undefined => known?.types.get(name)?.schema;
    const missing = active.filter(({ name, version }) => kept(name)?.version !== version);
    const texts = new Map((missing.length > 0 ? await readSchemas(this.db.client, tenantId, missing) : []).map((row) => [row.name, new KeptSchema(row.version, row.schema)]));
    const activeNames = new Set(active.map(({ name }) => name));
    const catalogue = new Catalogue(revision, new Map(rows.map(({ name, contains_sensitive, archived }) => [name, {
      sensitive: contains_sensitive, archived, schema: activeNames.has(name) ? (texts.get(name) ?? kept(name)) : undefined,
    }])), this.config.STRICT_EVENT_TYPES);
    this.last.delete(tenantId);
    this.last.set(tenantId, catalogue);
    if (this.last.size > MAX_CATALOGUES) this.last.delete(this.last.keys().next().value!);
    return catalogue;
  }
}
