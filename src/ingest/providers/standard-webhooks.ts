import { headerOf } from '../verify/inbound.js';
import { findStandardSecretFault, verifyStandardWebhooks } from '../verify/standard-webhooks.js';
import type { Provider } from './provider.js';
import { at, eventOf } from './reading.js';

/** The id is signed and stays the same over retries; the body's own `timestamp` says when it happened, the header's when it was sent. */
const follows = (name: string, prefix: 'webhook' | 'svix'): Provider => ({
  name,
  needsSecret: true,
  verify: verifyStandardWebhooks(prefix),
  identify: (inbound, json) => {
    const subject = at(json, 'data', 'id') ?? at(json, 'data', 'object', 'id');
    return [eventOf({
      id: headerOf(inbound, `${prefix}-id`), type: at(json, 'type') ?? at(json, 'event_type') ?? at(json, 'eventType'), otherwise: `${name}.received`,
      time: at(json, 'timestamp') ?? headerOf(inbound, `${prefix}-timestamp`), subject, correlations: [subject],
    })];
  },
  findSecretFault: findStandardSecretFault,
});

export const standardWebhooks = follows('standard_webhooks', 'webhook');
export const svix = follows('svix', 'svix');
