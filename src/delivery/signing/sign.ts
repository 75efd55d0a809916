import { createHmac, type KeyObject, randomBytes, sign } from 'node:crypto';

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

/** Why this text cannot be a webhook's secret; whether it is printable ASCII of 8 to 128 characters was seen to before. */
export function findSecretFault(secret: string): string | undefined {
  if (secret.startsWith(PREFIX) && !/^whsec_(?:[A-Za-z0-9+/]{4}){2,}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(secret)) {
    return 'begins with whsec_, so the rest must be at least 6 bytes in base64';
  }
  return keyBytes(secret).length < 6 ? 'must decode to at least 6 bytes' : undefined;
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

/** The private half of a key pair, and from when (epoch milliseconds) it signs. */
export interface PrivateKey {
  keyId: string;
  key: KeyObject;
  activateAt: number;
}

/** Of a tenant's keys, newest first, the one that signs at a time: the newest that is active by then. */
export function keyAt(keys: PrivateKey[], at: number): PrivateKey {
  // Another process's clock may run ahead of ours; then the oldest is the one that receivers have seen for longest.
  return keys.find(({ activateAt }) => activateAt <= at) ?? keys.at(-1)!;
}

/**
 * The `v1a` signature of Standard Webhooks beside or instead of the `v1` ones, and which key made it:
 * `v1a,base64(ed25519(key, "<id>.<timestamp>.<body>"))`. `beside` are the headers of {@link signatureHeaders}, when those are wanted too.
 */
export function publicKeyHeaders(id: string, timestamp: number, body: Buffer, { keyId, key }: PrivateKey, beside?: Record<string, string>): Record<string, string> {
  const signature = `v1a,${sign(null, Buffer.concat([Buffer.from(`${id}.${timestamp}.`), body]), key).toString('base64')}`;
  return {
    'webhook-id': id, 'webhook-timestamp': String(timestamp), ...beside,
    'webhook-signature': beside ? `${beside['webhook-signature']} ${signature}` : signature,
    'webhook-key-id': keyId,
  };
}
