import { headerOf } from './inbound.js';
import { hmacOf, judge, missing } from './judge.js';
import type { Verify } from './verify.js';

/** `sha256=` and hex of HMAC-SHA256 over the body. The older SHA-1 header beside it is never believed. */
export const verifyGithub: Verify = (inbound, options) => {
  const signature = headerOf(inbound, 'x-hub-signature-256');
  if (signature === undefined) return missing('x-hub-signature-256');
  return judge([signature], options.secrets.map((secret) => `sha256=${hmacOf('sha256', secret, 'hex', inbound.body)}`), options);
};
