import { headerOf } from './inbound.js';
import { hmacOf, judge, malformed, missing, secondsOf } from './judge.js';
import type { Verify } from './verify.js';

/** `t=<time>,v1=<hex>[,v1=<hex>…]`: HMAC-SHA256 over `<time>.<body>`, the key being the whole secret, `whsec_` included. Other schemes than `v1` are passed over. */
export const verifyStripe: Verify = (inbound, options) => {
  const header = headerOf(inbound, 'stripe-signature');
  if (header === undefined) return missing('stripe-signature');
  const parts = header.split(',').map((part) => part.trim());
  const valuesOf = (scheme: string): string[] => parts.filter((part) => part.startsWith(scheme)).map((part) => part.slice(scheme.length));
  const [time, ...others] = valuesOf('t=');
  const signatures = valuesOf('v1=');
  const signedAt = secondsOf(time);
  if (signedAt === undefined || others.length > 0) return malformed('stripe-signature needs one t=<epoch seconds>');
  if (signatures.length === 0) return malformed('stripe-signature holds no v1=<signature>');
  return judge(signatures, options.secrets.map((secret) => hmacOf('sha256', secret, 'hex', `${time}.`, inbound.body)), options, signedAt);
};
