import { type NewEvent, OPERATIONAL_TYPES } from '../../events/index.js';
import type { Claim } from './claim.sql.js';

/** The event that tells of a webhook being disabled. */
export function webhookDisabled(webhookId: string, reason: string): NewEvent {
  return { eventType: 'webhook.disabled', data: JSON.stringify({ webhook_id: webhookId, reason }), metadata: '{}' };
}

/**
 * The event that tells of a dead letter. None for a delivery that itself carried operational news: two listeners that both
 * fail would otherwise report each other's failures for ever.
 */
export function deliveryExhausted(claim: Claim, reason: string): NewEvent | undefined {
  if (OPERATIONAL_TYPES.has(claim.event_type ?? '')) return undefined;
  const { delivery_id, webhook_id, event_id, event_type } = claim;
  return { eventType: 'delivery.exhausted', data: JSON.stringify({ delivery_id, webhook_id, event_id, event_type, attempt_count: claim.attempt, reason }), metadata: '{}' };
}
