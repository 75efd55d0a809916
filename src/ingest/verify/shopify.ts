import { headerOf } from './inbound.js';
import { hmacOf, judge, missing } from './judge.js';
import type { Verify } from './verify.js';

/** Base64 of HMAC-SHA256 over the body, in the header of the older family, of the newer one or of both. */
export const verifyShopify: Verify = (inbound, options) => {
  const signatures = ['x-shopify-hmac-sha256', 'shopify-hmac-sha256'].flatMap((name) => headerOf(inbound, name) ?? []);
  if (signatures.length === 0) return missing('x-shopify-hmac-sha256');
  return judge(signatures, options.secrets.map((secret) => hmacOf('sha256', secret, 'base64', inbound.body)), options);
};
