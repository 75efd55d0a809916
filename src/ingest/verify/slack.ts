import { headerOf } from './inbound.js';
import { hmacOf, judge, malformed, missing, secondsOf } from './judge.js';
import type { Verify } from './verify.js';

/** `v0=` and hex of HMAC-SHA256 over `v0:<time>:<body>`. */
export const verifySlack: Verify = (inbound, options) => {
  const signature = headerOf(inbound, 'x-slack-signature');
  const time = headerOf(inbound, 'x-slack-request-timestamp');
  if (signature === undefined) return missing('x-slack-signature');
  if (time === undefined) return missing('x-slack-request-timestamp');
  const signedAt = secondsOf(time);
  if (signedAt === undefined) return malformed('x-slack-request-timestamp is not in epoch seconds');
  return judge([signature], options.secrets.map((secret) => `v0=${hmacOf('sha256', secret, 'hex', `v0:${time}:`, inbound.body)}`), options, signedAt);
};
