import { defineDataset } from './dataset.js';

/**
 * Each HTTP exchange. No index leads a tenant through a day of attempts by time: the day's partition is read whole and sorted.
 *
 * Left out are the headers and the bodies. Requests carry signatures that a receiver accepts for minutes, and what a receiver
 * answers may repeat what an event type calls sensitive, at no place that could be masked. The API shows them to whoever may see them.
 */
export const attempts = defineDataset({
  name: 'attempts',
  fileName: 'attempts',
  description: 'One row per HTTP exchange, by the UTC day it began; without headers and bodies.',
  schemaVersion: 1,
  scope: 'deliveries:read',
  table: 'attempts',
  day: 'started_at',
  order: ['started_at', 'delivery_id', 'attempt'],
  columns: {
    delivery_id: { type: 'uuid', description: 'Of what delivery.' },
    attempt: { type: 'integer', description: '1 for the first.' },
    started_at: { type: 'timestamp', description: 'When it began.' },
    webhook_id: { type: 'uuid', dictionary: true, description: 'To whom.' },
    trigger: { type: 'text', dictionary: true, description: 'event, retry, manual, redrive, replay or test.' },
    duration_ms: { type: 'integer', nullable: true, description: 'How long it took; null when a crash left it without an outcome.' },
    response_status: { type: 'integer', nullable: true, dictionary: true, description: 'The HTTP status, if there was an answer.' },
    error_class: { type: 'text', nullable: true, dictionary: true, description: 'Null for a success.' },
    error: { type: 'text', nullable: true, dictionary: true, description: 'What went wrong, in words.' },
  },
});
