import { defineDataset } from './dataset.js';

/** What became of each event at each webhook. Its order is the primary key (tenant_id, created_at, delivery_id). */
export const deliveries = defineDataset({
  name: 'deliveries',
  fileName: 'deliveries',
  description: 'One row per event and webhook, by the UTC day it was made.',
  schemaVersion: 1,
  scope: 'deliveries:read',
  table: 'deliveries',
  day: 'created_at',
  order: ['created_at', 'delivery_id'],
  columns: {
    delivery_id: { type: 'uuid', description: 'Its id.' },
    created_at: { type: 'timestamp', description: 'When it was made.' },
    webhook_id: { type: 'uuid', dictionary: true, description: 'To whom.' },
    event_id: { type: 'text', description: 'Of what event.' },
    event_recorded_at: { type: 'timestamp', description: 'When that event was recorded.' },
    event_type: { type: 'text', dictionary: true, description: 'The event’s type.' },
    is_test: { type: 'boolean', description: 'Whether it was a test send.' },
    status: { type: 'text', dictionary: true, description: 'pending, succeeded, retrying, dead or cancelled.' },
    attempt_count: { type: 'integer', description: 'Attempts made.' },
    next_attempt_at: { type: 'timestamp', nullable: true, description: 'When the next attempt is due, if one is.' },
    completed_at: { type: 'timestamp', nullable: true, description: 'When it came to its end, if it has.' },
    resend_id: { type: 'uuid', nullable: true, dictionary: true, description: 'The resend that queued it last, if any.' },
  },
});
