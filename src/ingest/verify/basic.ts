import { headerOf } from './inbound.js';
import { digestsOf, judge, malformed, missing } from './judge.js';
import type { Verify } from './verify.js';

/** Asks for user and password. */
export const BASIC_CHALLENGE = 'Basic realm="lakehook", charset="UTF-8"';

/** Basic authentication; a secret is `user:password`. Nothing is signed: whoever reads one request can send others. */
export const verifyBasic: Verify = (inbound, options) => {
  const header = headerOf(inbound, 'authorization');
  if (header === undefined) return missing('authorization');
  const credentials = /^basic +(\S+)$/i.exec(header)?.[1];
  if (credentials === undefined) return malformed('authorization is not of the form `Basic <base64>`');
  return judge(digestsOf([credentials]), digestsOf(options.secrets.map((secret) => Buffer.from(secret).toString('base64'))), options);
};

export function findBasicSecretFault(secret: string): string | undefined {
  return /^[^:]+:./s.test(secret) ? undefined : 'must be of the form user:password';
}
