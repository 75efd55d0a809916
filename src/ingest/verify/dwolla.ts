import { headerOf } from './inbound.js';
import { hmacOf, judge, missing } from './judge.js';
import type { Verify } from './verify.js';

/** Hex of HMAC-SHA256 over the body. No time is signed, so a replay is only known by the event's id. */
export const verifyDwolla: Verify = (inbound, options) => {
  const signature = headerOf(inbound, 'x-request-signature-sha-256');
  // Old samples show the SHA-1 of `x-request-signature` too: never believed.
  if (signature === undefined) return missing('x-request-signature-sha-256');
  return judge([signature], options.secrets.map((secret) => hmacOf('sha256', secret, 'hex', inbound.body)), options);
};
