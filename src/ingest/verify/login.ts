import { verifyBasic } from './basic.js';
import { verifyBearer } from './bearer.js';
import { headerOf } from './inbound.js';
import type { Verify } from './verify.js';

/** What bucket notices bring along, depending on who forwards them: a token, or a user and a password (`user:password` is the secret then). */
export const verifyLogin: Verify = (inbound, options) => {
  const refusal = verifyBearer(inbound, options);
  return refusal && /^basic /i.test(headerOf(inbound, 'authorization') ?? '') ? verifyBasic(inbound, options) : refusal;
};
