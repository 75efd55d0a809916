import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { headerOf } from './inbound.js';
import { findStaleness, hmacOf, malformed, MAX_SIGNATURES, MISMATCH, missing, secondsOf, someFits, TOO_MANY } from './judge.js';
import type { Verify } from './verify.js';

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const PUBLIC = 'whpk_';
const LEAST_BYTES = 6;

/**
 * Standard Webhooks, and Svix whose headers begin with `svix-`: signatures over `<id>.<time>.<body>`, separated by spaces, `v1,` by
 * HMAC-SHA256 or `v1a,` by ed25519. A secret that begins with `whpk_` is a public key: it checks `v1a` and nothing else,
 * since what everybody may know must not sign.
 */
export const verifyStandardWebhooks = (prefix: 'webhook' | 'svix'): Verify => (inbound, options) => {
  const headers = ['id', 'timestamp', 'signature'].map((name) => `${prefix}-${name}`);
  const [id, time, signatures] = headers.map((name) => headerOf(inbound, name));
  if (id === undefined || time === undefined || signatures === undefined) return missing(headers.find((name) => headerOf(inbound, name) === undefined)!);
  const signedAt = secondsOf(time);
  if (signedAt === undefined) return malformed(`${prefix}-timestamp is not in epoch seconds`);
  const given = signatures.split(' ').filter((text) => text !== '');
  if (given.length > MAX_SIGNATURES) return TOO_MANY;
  const head = `${id}.${time}.`;
  const keys = options.secrets.filter((secret) => !secret.startsWith(PUBLIC)).flatMap(keysOf);
  const byKey = someFits(given, keys.map((key) => `v1,${hmacOf('sha256', key, 'base64', head, inbound.body)}`));
  const byKeyPair = somePublicKeyFits(given, Buffer.concat([Buffer.from(head), inbound.body]), options.secrets);
  return byKey || byKeyPair ? findStaleness(signedAt, options) : MISMATCH;
};

/** The form of a secret: `whsec_` and base64, `whpk_` and a public key in base64, or a text. */
export function findStandardSecretFault(secret: string): string | undefined {
  if (secret.startsWith('whsk_')) return 'is a private key, which belongs to the sender alone: enter the public one, which begins with whpk_';
  if (secret.startsWith(PUBLIC)) return publicKeyOf(secret) ? undefined : 'begins with whpk_, so the rest must be the 32 bytes of an ed25519 key in base64';
  if (!secret.startsWith('whsec_')) return undefined;
  const body = secret.slice(6);
  return BASE64.test(body) && Buffer.from(body, 'base64').length >= LEAST_BYTES ? undefined : `begins with whsec_, so the rest must be at least ${LEAST_BYTES} bytes in base64`;
}

/** What follows `whsec_` is base64. Of a secret without it senders disagree: to some it is base64 too, to others the text itself. */
function keysOf(secret: string): Buffer[] {
  if (secret.startsWith('whsec_')) return [Buffer.from(secret.slice(6), 'base64')];
  const text = Buffer.from(secret);
  return BASE64.test(secret) ? [text, Buffer.from(secret, 'base64')] : [text];
}

function somePublicKeyFits(given: string[], signed: Buffer, secrets: readonly string[]): boolean {
  const keys = secrets.filter((secret) => secret.startsWith(PUBLIC)).flatMap((secret) => publicKeyOf(secret) ?? []);
  if (keys.length === 0) return false;
  return given.filter((text) => text.startsWith('v1a,')).some((text) => {
    const signature = Buffer.from(text.slice(4), 'base64');
    // One signature has one spelling.
    return signature.toString('base64') === text.slice(4) && keys.some((key) => verify(null, signed, key, signature));
  });
}

function publicKeyOf(secret: string): KeyObject | undefined {
  const x = Buffer.from(secret.slice(PUBLIC.length), 'base64');
  if (x.length !== 32) return undefined;
  try {
    return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: x.toString('base64url') }, format: 'jwk' });
  } catch {
    return undefined;
  }
}
