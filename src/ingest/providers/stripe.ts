import { verifyStripe } from '../verify/stripe.js';
import type { Provider } from './provider.js';
import { at, eventOf } from './reading.js';

const LINKS = ['customer', 'payment_intent', 'setup_intent', 'charge', 'invoice', 'subscription'];

/** Classic events carry the object, thin ones name it in `related_object`. */
export const stripe: Provider = {
  name: 'stripe',
  needsSecret: true,
  verify: verifyStripe,
  identify: (_, json) => {
    const object = at(json, 'data', 'object');
    const subject = at(object, 'id') ?? at(json, 'related_object', 'id');
    const links = LINKS.map((name) => at(object, name));
    return [eventOf({
      id: at(json, 'id'), type: at(json, 'type'), otherwise: 'stripe.received', time: at(json, 'created'), subject,
      // A link is an id, or the object itself where it was expanded.
      correlations: [subject, at(json, 'request', 'id') ?? at(json, 'request'), ...links.map((link) => at(link, 'id') ?? link)],
    })];
  },
};
