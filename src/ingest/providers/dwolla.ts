import { verifyDwolla } from '../verify/dwolla.js';
import type { Provider } from './provider.js';
import { at, eventOf } from './reading.js';

/** `customer_transfer_created` may come twice for one resource, to its sender and to its receiver, with an id each: both are events. */
export const dwolla: Provider = {
  name: 'dwolla',
  needsSecret: true,
  verify: verifyDwolla,
  identify: (_, json) => [eventOf({
    id: at(json, 'id'), type: at(json, 'topic'), otherwise: 'dwolla.received', time: at(json, 'created') ?? at(json, 'timestamp'), subject: at(json, 'resourceId'),
    correlations: [at(json, 'correlationId'), at(json, 'resourceId'), lastOf(at(json, '_links', 'customer', 'href'))],
  })],
};

/** The id that a link ends with. */
function lastOf(href: unknown): string | undefined {
  return typeof href === 'string' ? href.slice(href.lastIndexOf('/') + 1) : undefined;
}
