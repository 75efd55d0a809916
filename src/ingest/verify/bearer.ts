import { headerOf } from './inbound.js';
import { digestsOf, judge, missing } from './judge.js';
import type { Verify } from './verify.js';

/** A token, bare or behind `Bearer`, in `authorization` or in the header that the option `header` names. Nothing is signed. */
export const verifyBearer: Verify = (inbound, options) => {
  const name = headerNameIn(options.options);
  const header = headerOf(inbound, name);
  if (header === undefined) return missing(name);
  return judge(digestsOf([header, header.replace(/^bearer +/i, '')]), digestsOf(options.secrets), options);
};

/** Asks for the token, where it is looked for in `authorization`. */
export function bearerChallenge(options: Readonly<Record<string, unknown>>): string | undefined {
  return headerNameIn(options) === 'authorization' ? 'Bearer realm="lakehook"' : undefined;
}

export function findBearerSecretFault(secret: string): string | undefined {
  return /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(secret) ? undefined : 'must be printable ASCII without white space around it: it travels in a header';
}

function headerNameIn({ header }: Readonly<Record<string, unknown>>): string {
  return String(header ?? 'authorization').toLowerCase();
}
