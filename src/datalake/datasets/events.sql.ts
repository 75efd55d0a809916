import { defineDataset } from './dataset.js';

/** The tenant's own sensitive paths, by which {@link events} is masked, as one text. A walk of the primary key of `event_types`. */
const sensitivePathsOf = (tenant: string): string => `
  SELECT coalesce(md5(string_agg(t.name || t.contains_sensitive::text, ',' ORDER BY t.name)), '') FROM event_types t
   WHERE t.tenant_id = ${tenant} AND t.contains_sensitive <> '{}'`;

/**
 * The log. Its order follows the primary key (tenant_id, recorded_at, event_id), except that ids of one time are sorted by bytes:
 * an order that no update of the system's collations can change.
 *
 * What an event type calls sensitive is masked for everybody, whatever the caller's key may see: a file outlives keys, and whoever
 * can read the bucket reads it. That is one look-up by primary key per row, and `masked` where there is something to mask.
 */
export const events = defineDataset({
  name: 'events',
  fileName: 'events',
  description: 'The log of events, by the UTC day they were recorded. Fields that event types call sensitive are masked.',
  schemaVersion: 1,
  scope: 'events:read',
  table: 'events',
  day: 'recorded_at',
  order: ['recorded_at', 'event_id'],
  lookOf: sensitivePathsOf,
  columns: {
    event_id: { type: 'text', description: 'The publisher’s id, or ours.' },
    event_type: { type: 'text', dictionary: true, description: 'Its type.' },
    recorded_at: { type: 'timestamp', description: 'When it was committed.' },
    occurred_at: { type: 'timestamp', description: 'When it happened, as the publisher says.' },
    source_id: { type: 'uuid', nullable: true, dictionary: true, description: 'The source it came in through, if any.' },
    data: {
      type: 'json',
      description: 'As published, except that sensitive fields are masked.',
      sql: `coalesce((SELECT masked(r.data, t.contains_sensitive) FROM event_types t WHERE t.tenant_id = r.tenant_id AND t.name = r.event_type AND t.contains_sensitive <> '{}'), r.data::text)`,
    },
    metadata: { type: 'json', description: 'As published.' },
  },
});
