import { BASIC_CHALLENGE, findBasicSecretFault, verifyBasic } from './basic.js';
import { bearerChallenge, verifyBearer } from './bearer.js';
import { headerOf } from './inbound.js';
import type { Verify } from './verify.js';

/** What bucket notices bring along, depending on who forwards them: a token, or a user and a password (`user:password` is the secret then). */
export const verifyLogin: Verify = (inbound, options) => {
  const refusal = verifyBearer(inbound, options);
  return refusal && /^basic /i.test(headerOf(inbound, 'authorization') ?? '') ? verifyBasic(inbound, options) : refusal;
};

/** Asks for what the secrets are: SNS sends the password of its URL only after it was asked. */
export function loginChallenge(options: Readonly<Record<string, unknown>>, secrets: readonly string[]): string | undefined {
  return secrets.some((secret) => findBasicSecretFault(secret) === undefined) ? BASIC_CHALLENGE : bearerChallenge(options);
}
