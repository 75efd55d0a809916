import { headerOf } from '../verify/inbound.js';
import { verifyShopify } from '../verify/shopify.js';
import type { Inbound } from '../verify/verify.js';
import type { Provider } from './provider.js';
import { at, eventOf, idOf } from './reading.js';

/**
 * Repeats are known by event id, topic and resource together. The event id alone, which Shopify names for it, is shared by all
 * topics that one action of a merchant sets off, so all but the first would be lost; the webhook id alone differs between
 * two subscriptions to one topic.
 */
export const shopify: Provider = {
  name: 'shopify',
  needsSecret: true,
  verify: verifyShopify,
  identify: (inbound, json) => {
    const [event, topic] = [of(inbound, 'event-id'), of(inbound, 'topic')];
    const subject = at(json, 'admin_graphql_api_id') ?? at(json, 'id');
    const order = idOf(at(json, 'order_id'));
    return [eventOf({
      id: event === undefined ? of(inbound, 'webhook-id') : [event, topic, idOf(subject)].filter((part) => part !== undefined).join('/'),
      type: topic, otherwise: 'shopify.received', time: of(inbound, 'triggered-at'), subject,
      correlations: [event, subject, order && `gid://shopify/Order/${order}`, at(json, 'checkout_token')],
    })];
  },
};

function of(inbound: Inbound, name: string): string | undefined {
  return headerOf(inbound, `x-shopify-${name}`) ?? headerOf(inbound, `shopify-${name}`);
}
