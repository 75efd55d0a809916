import { createHash } from 'node:crypto';
import type { Webhook } from '../../platform/index.js';

/**
 * What the audit log holds of a webhook. Fields that may carry a secret are left out, and of the URL, whose path or query
 * often is one, the origin is shown and the rest can only be compared.
 */
export function auditedOf({ url, ...row }: Webhook): Record<string, unknown> {
  const { protocol, host } = new URL(url);
  return {
    url_origin: `${protocol}//${host}`, url_sha256: createHash('sha256').update(url).digest('hex'), description: row.description, events: row.events, is_active: row.isActive,
    retry_policy: row.retryPolicy, rate_limit: row.rateLimit, ordered: row.ordered, order_key: row.orderKey, on_exhausted: row.onExhausted, disable_after_hours: row.disableAfterHours,
    partner_id: row.partnerId,
  };
}
