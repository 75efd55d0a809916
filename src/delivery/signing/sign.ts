import { createHmac, type KeyObject, randomBytes } from 'node:crypto';

const PREFIX = 'whsec_';

/** A fresh signing secret: `whsec_` and 32 random bytes in base64. */
export function makeSecret(): string {
  return PREFIX + randomBytes(32).toString('base64');
}

/** The key bytes of a secret: what follows `whsec_` in base64, or the text itself where the caller chose a plain one. */
export function keyBytes(secret: string): Buffer {
  const body = secret.slice(PREFIX.length);
  return secret.startsWith(PREFIX) && /^[A-Za-z0-9+/]{8,}={0,2}$/.test(body) ? Buffer.from(body, 'base64') : Buffer.from(secret, 'utf8');
}

/**
 * The signature headers of one attempt. `webhook-signature` follows Standard Webhooks: per key
 * `v1,base64(HMAC-SHA256(key, "<id>.<timestamp>.<body>"))`, separated by spaces while secrets overlap.
 * `x-webhook-signature` is what GitHub-style receivers check: `sha256=hex(HMAC-SHA256(key, body))` with the newest key.
 *
 * `timestamp` in epoch seconds; `keys` newest first, at least one. Whoever signs often passes key objects: making one of bytes
 * costs five times the signature.
 */
export function signatureHeaders(id: string, timestamp: number, body: Buffer, keys: (KeyObject | Buffer)[]): Record<string, string> {
  const head = `${id}.${timestamp}.`;
  return {
    'webhook-id': id,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': keys.map((key) => `v1,${createHmac('sha256', key).update(head).update(body).digest('base64')}`).join(' '),
    'x-webhook-signature': `sha256=${createHmac('sha256', keys[0]!).update(body).digest('hex')}`,
  };
}
