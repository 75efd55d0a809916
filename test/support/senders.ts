import { createHash, createHmac, sign } from 'node:crypto';
import type { Inbound } from '../../src/ingest/verify/verify.js';

/** A provider as it sends: written from its documentation, and sharing nothing with the verifiers. */
export interface Sender {
  provider: string;
  secret: string;
  options?: Record<string, unknown>;
  /** Whether the body is part of what is signed. */
  signsBody: boolean;
  /** The header that holds the signed time. */
  signedTime?: string;
  /** The other headers of which every bit counts. */
  proof: string[];
  request(body: Buffer, secret: string, nowMs: number): Inbound;
}

type Encoding = 'hex' | 'base64' | 'base64url';
const mac = (algorithm: string, secret: string | Buffer, encoding: Encoding, ...parts: (string | Buffer)[]): string =>
  createHmac(algorithm, secret).update(Buffer.concat(parts.map((part) => Buffer.from(part as string)))).digest(encoding);
const seconds = (ms: number): string => String(Math.floor(ms / 1000));
const url = 'https://hooks.example.com/in/token?a=1';
const JSON_TYPE = { 'content-type': 'application/json' };

function standard(provider: string, prefix: string): Sender {
  const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
  return {
    provider, secret, signsBody: true, signedTime: `${prefix}-timestamp`, proof: [`${prefix}-id`, `${prefix}-signature`],
    request: (body, secret, now) => ({
      body, url, headers: {
        ...JSON_TYPE, [`${prefix}-id`]: 'msg_p5jXN8AQM9LWM0D4loKWxJek', [`${prefix}-timestamp`]: seconds(now),
        [`${prefix}-signature`]: `v1,${mac('sha256', secret.startsWith('whsec_') ? Buffer.from(secret.slice(6), 'base64') : secret, 'base64', `msg_p5jXN8AQM9LWM0D4loKWxJek.${seconds(now)}.`, body)}`,
      },
    }),
  };
}

/** The `v1a` signature of Standard Webhooks by a private key in PEM. */
export function publicKeySignature(privateKey: string, id: string, timestamp: string, body: Buffer): string {
  return `v1a,${sign(null, Buffer.concat([Buffer.from(`${id}.${timestamp}.`), body]), privateKey).toString('base64')}`;
}

const simple = (provider: string, header: string, make: (body: Buffer, secret: string) => string, more: Record<string, string> = {}): Sender => ({
  provider, secret: 'It is a secret to everybody', signsBody: true, proof: [header],
  request: (body, secret) => ({ body, url, headers: { ...JSON_TYPE, ...more, [header]: make(body, secret) } }),
});

function own(options: Record<string, unknown>, signature: (body: Buffer, secret: string, now: number) => Record<string, string>, signedTime?: string): Sender {
  return { provider: 'hmac', secret: 'mine', options, signsBody: true, signedTime, proof: [String(options.header).toLowerCase()], request: (body, secret, now) => ({ body, url, headers: { ...JSON_TYPE, ...signature(body, secret, now) } }) };
}

const token = (provider: string, header = 'authorization', scheme = 'Bearer '): Sender => ({
  provider, secret: 'a-token-of-24-characters', options: header === 'authorization' ? undefined : { header }, signsBody: false, proof: [],
  request: (body, secret) => ({ body, url, headers: { ...JSON_TYPE, [header]: scheme + secret } }),
});

/** At least one way of every provider that proves anything. */
export const SENDERS: Sender[] = [
  simple('dwolla', 'x-request-signature-sha-256', (body, secret) => mac('sha256', secret, 'hex', body)),
  simple('github', 'x-hub-signature-256', (body, secret) => `sha256=${mac('sha256', secret, 'hex', body)}`, { 'x-github-event': 'push', 'x-github-delivery': 'd1' }),
  simple('shopify', 'x-shopify-hmac-sha256', (body, secret) => mac('sha256', secret, 'base64', body)),
  simple('shopify', 'shopify-hmac-sha256', (body, secret) => mac('sha256', secret, 'base64', body)),
  {
    provider: 'stripe', secret: 'whsec_test_secret', signsBody: true, proof: ['stripe-signature'], signedTime: 'stripe-signature',
    request: (body, secret, now) => ({ body, url, headers: { ...JSON_TYPE, 'stripe-signature': `t=${seconds(now)},v1=${mac('sha256', secret, 'hex', `${seconds(now)}.`, body)}` } }),
  },
  {
    provider: 'slack', secret: '8f742231b10e8888abcd99yyyzzz85a5', signsBody: true, proof: ['x-slack-signature'], signedTime: 'x-slack-request-timestamp',
    request: (body, secret, now) => ({ body, url, headers: { ...JSON_TYPE, 'x-slack-request-timestamp': seconds(now), 'x-slack-signature': `v0=${mac('sha256', secret, 'hex', `v0:${seconds(now)}:`, body)}` } }),
  },
  {
    provider: 'twilio', secret: '12345abcde', signsBody: true, proof: ['x-twilio-signature'],
    request: (body, secret) => {
      const signed = `${url}&bodySHA256=${createHash('sha256').update(body).digest('hex')}`;
      return { body, url: signed, headers: { ...JSON_TYPE, 'x-twilio-signature': mac('sha1', secret, 'base64', signed) } };
    },
  },
  standard('standard_webhooks', 'webhook'),
  standard('svix', 'svix'),
  own({ header: 'X-Sig' }, (body, secret) => ({ 'x-sig': mac('sha256', secret, 'hex', body) })),
  own({ header: 'X-Sig', algorithm: 'sha1', encoding: 'base64', prefix: 'v=', signed: '{url}|{body}' }, (body, secret) => ({ 'x-sig': `v=${mac('sha1', secret, 'base64', url, '|', body)}` })),
  own({ header: 'x-sig', signed: '{id}.{timestamp}.{body}', id_header: 'X-Id', timestamp_header: 'X-Time' },
    (body, secret, now) => ({ 'x-id': 'e1', 'x-time': seconds(now), 'x-sig': mac('sha256', secret, 'hex', `e1.${seconds(now)}.`, body) }), 'x-time'),
  own({ header: 'x-sig', algorithm: 'sha512', encoding: 'base64url', signed: 'POST{header:X-Kind}{timestamp}{body}{body}', timestamp_header: 'X-Time', timestamp_unit: 'milliseconds' },
    (body, secret, now) => ({ 'x-kind': 'k', 'x-time': String(now), 'x-sig': mac('sha512', secret, 'base64url', `POSTk${now}`, body, body) }), 'x-time'),
  own({ header: 'x-sig', signed: '{timestamp}{body}', timestamp_header: 'x-time', timestamp_unit: 'rfc3339' },
    (body, secret, now) => ({ 'x-time': new Date(now).toISOString(), 'x-sig': mac('sha256', secret, 'hex', new Date(now).toISOString(), body) }), 'x-time'),
  {
    provider: 'basic', secret: 'ann:p:ss wörd', signsBody: false, proof: [],
    request: (body, secret) => ({ body, url, headers: { ...JSON_TYPE, authorization: `Basic ${Buffer.from(secret).toString('base64')}` } }),
  },
  token('bearer'), token('bearer', 'x-gitlab-token', ''), token('s3'), token('minio'), token('eventbridge', 'x-api-key', ''),
];
