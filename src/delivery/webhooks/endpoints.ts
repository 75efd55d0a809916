import { createSecretKey, type KeyObject } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Clock, Database, Dispatcher, type RateLimit, Sealer, type TlsIdentity, uuidv7, type Webhook, type WebhookSecret } from '../../platform/index.js';
import { fixedAuthorization } from '../credentials/auth.js';
import { openCredentials } from '../credentials/credentials.js';
import { scrubbable } from '../credentials/scrub.js';
import { identityOf } from '../credentials/tls.js';
import { AccessTokens } from '../credentials/tokens.js';
import type { Shape } from '../shapes/message.js';
import type { Format, FormatOptions } from '../shapes/options.js';
import { shapeOf } from '../shapes/shape.js';
import { type CompiledContract, compileContract, type SignatureContract } from '../signing/contract.js';
import { keyBytes, type PrivateKey } from '../signing/sign.js';
import { SigningKeys } from '../signing/signing-keys.js';
import type { RetryPolicy } from './retry.js';

/** What sending to a webhook takes, unsealed. */
export interface Endpoint {
  webhookId: string;
  tenantId: string;
  version: number;
  url: string;
  /** Static ones, secret ones, and `authorization` where nobody needs to be asked for it. */
  headers: Record<string, string>;
  policy: RetryPolicy;
  rateLimit: RateLimit | null;
  disableAfterHours: number;
  /** What becomes of a key of an ordered webhook when the delivery at its head dies. */
  onExhausted: string;
  /** Makes the body of a message. */
  shape: Shape;
  /** Newest first. */
  keys: { key: KeyObject; contractKey: KeyObject; expiresAt: number }[];
  /** `v1`, `v1a` or both. */
  signing: string[];
  /** Where it signs by `v1a`: its tenant's keys, newest first. */
  signingKeys?: PrivateKey[];
  /** An older signature contract to keep beside ours. */
  contract?: CompiledContract;
  /** What connections show and trust, where the webhook says. */
  tls?: TlsIdentity;
  /** Where `authorization` has to be fetched. */
  tokens?: AccessTokens;
  /** What an answer must not echo into the log, as from `scrubbable`. */
  secrets: string[];
  /** Why nothing can be sent, when headers or secrets do not open. */
  fault?: string;
}

/** Where a sealed value belongs, for its authentication. */
export const headersPlace = (webhookId: string): string => `webhooks.headers:${webhookId}`;
export const formatPlace = (webhookId: string): string => `webhooks.format_options:${webhookId}`;
const secretPlace = (secretId: string): string => `webhook_secrets.sealed:${secretId}`;

/** The columns of a new secret. */
export function sealSecret(sealer: Sealer, secret: string, now: number): { secretId: string; sealed: string; hint: string } {
  const secretId = uuidv7(now);
  return { secretId, sealed: sealer.seal(secret, secretPlace(secretId)), hint: `…${secret.slice(-4)}` };
}

const ENTRIES = 10_000;

/** Webhooks as the dispatcher needs them, remembered until their version changes. */
@Injectable()
export class Endpoints {
  private readonly cache = new Map<string, Endpoint>();

  constructor(private readonly db: Database, private readonly sealer: Sealer, private readonly signingKeys: SigningKeys, private readonly dispatcher: Dispatcher, private readonly clock: Clock) {}

  /** The endpoints of these webhooks, each at least as new as the version named. A deleted webhook is missing from the answer. */
  async load(wanted: Map<string, number>): Promise<Map<string, Endpoint>> {
    const found = new Map<string, Endpoint>();
    for (const [id, version] of wanted) {
      const cached = this.cache.get(id);
      if (cached && cached.version >= version) found.set(id, cached);
    }
    const missing = [...wanted.keys()].filter((id) => !found.has(id));
    if (missing.length === 0) return this.withSigningKeys(found);
    const rows = await this.db.client.webhook.findMany({ where: { webhookId: { in: missing } }, include: { secrets: { orderBy: { secretId: 'desc' } } } });
    if (this.cache.size > ENTRIES) this.cache.clear();
    for (const row of rows) {
      // Read twice at the same time, a webhook still has one endpoint, and with it one access token.
      const known = this.cache.get(row.webhookId);
      const endpoint = known && known.version >= row.version ? known : this.open(row);
      if (known?.tls && known.tls.id !== endpoint.tls?.id) this.dispatcher.forget(known.tls);
      this.cache.set(row.webhookId, endpoint);
      found.set(row.webhookId, endpoint);
    }
    return this.withSigningKeys(found);
  }

  /** A tenant's keys change without its webhooks' versions, so they are not remembered with them. */
  private async withSigningKeys(found: Map<string, Endpoint>): Promise<Map<string, Endpoint>> {
    const wanting = [...found.values()].filter(({ signing, fault }) => signing.includes('v1a') && !fault);
    if (wanting.length === 0) return found;
    const keys = await this.signingKeys.load(new Set(wanting.map(({ tenantId }) => tenantId)));
    for (const endpoint of wanting) {
      const own = keys.get(endpoint.tenantId)!;
      found.set(endpoint.webhookId, own instanceof Error ? { ...endpoint, fault: `The tenant's signing key cannot be opened: ${own.message}` } : { ...endpoint, signingKeys: own });
    }
    return found;
  }

  private open(row: Webhook & { secrets: WebhookSecret[] }): Endpoint {
    const { webhookId, tenantId, version, url } = row;
    const endpoint: Endpoint = { webhookId, tenantId, version, url, policy: row.retryPolicy as unknown as RetryPolicy, headers: {}, keys: [], secrets: [], shape: shapeOf({ format: 'lakehook', options: {} }),
      rateLimit: row.rateLimit as RateLimit | null, disableAfterHours: row.disableAfterHours, onExhausted: row.onExhausted, signing: row.signing };
    try {
      const options = row.formatOptions ? (JSON.parse(this.sealer.open(row.formatOptions, formatPlace(webhookId))) as FormatOptions) : {};
      endpoint.shape = shapeOf({ format: row.format as Format, options });
      if (row.headers) endpoint.headers = JSON.parse(this.sealer.open(row.headers, headersPlace(webhookId))) as Record<string, string>;
      this.equip(endpoint, row, options.routing_key);
      if (row.signature) endpoint.contract = compileContract(row.signature as unknown as SignatureContract);
      endpoint.keys = row.secrets.map(({ secretId, sealed, expiresAt }) => {
        const secret = this.sealer.open(sealed, secretPlace(secretId));
        const key = createSecretKey(keyBytes(secret));
        return { key, contractKey: endpoint.contract?.keyIsText ? createSecretKey(Buffer.from(secret)) : key, expiresAt: expiresAt?.getTime() ?? Number.POSITIVE_INFINITY };
      });
    } catch (error) {
      // A lost sealing key is this webhook's trouble and must not become that of those claimed with it.
      endpoint.fault = `The webhook's secrets cannot be opened: ${(error as Error).message}`;
    }
    return endpoint;
  }

  private equip(endpoint: Endpoint, row: Webhook, routingKey: string | undefined): void {
    const { secret_headers, auth, tls } = openCredentials(this.sealer, row);
    const authorization = fixedAuthorization(auth);
    endpoint.headers = { ...endpoint.headers, ...secret_headers, ...(authorization && { authorization }) };
    endpoint.tls = identityOf(tls, row.webhookId);
    if (auth.type === 'oauth2') endpoint.tokens = new AccessTokens(auth, (url, headers, body) => this.dispatcher.post(url, headers, body), () => this.clock.now());
    endpoint.secrets = scrubbable([...Object.values(secret_headers), authorization?.split(' ')[1], auth.type === 'basic' ? auth.password : undefined, routingKey]);
  }
}
