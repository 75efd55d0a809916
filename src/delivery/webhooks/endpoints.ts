import { createSecretKey, type KeyObject } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Database, Sealer, type Webhook, type WebhookSecret } from '../../platform/index.js';
import type { RateLimit } from '../flow/rate-limit.js';
import type { RetryPolicy } from './retry.js';
import { keyBytes } from '../signing/sign.js';

/** What sending to a webhook takes, unsealed. */
export interface Endpoint {
  webhookId: string;
  tenantId: string;
  version: number;
  url: string;
  headers: Record<string, string>;
  policy: RetryPolicy;
  rateLimit: RateLimit | null;
  disableAfterHours: number;
  /** What becomes of a key of an ordered webhook when the delivery at its head dies. */
  onExhausted: string;
  /** Newest first. */
  keys: { key: KeyObject; expiresAt: number }[];
  /** Why nothing can be sent, when headers or secrets do not open. */
  fault?: string;
}

/** Where a sealed value belongs, for its authentication. */
export const headersPlace = (webhookId: string): string => `webhooks.headers:${webhookId}`;
export const secretPlace = (secretId: string): string => `webhook_secrets.sealed:${secretId}`;

const ENTRIES = 10_000;

/** Webhooks as the dispatcher needs them, remembered until their version changes. */
@Injectable()
export class Endpoints {
  private readonly cache = new Map<string, Endpoint>();

  constructor(private readonly db: Database, private readonly sealer: Sealer) {}

  /** The endpoints of these webhooks, each at least as new as the version named. A deleted webhook is missing from the answer. */
  async load(wanted: Map<string, number>): Promise<Map<string, Endpoint>> {
    const found = new Map<string, Endpoint>();
    for (const [id, version] of wanted) {
      const cached = this.cache.get(id);
      if (cached && cached.version >= version) found.set(id, cached);
    }
    const missing = [...wanted.keys()].filter((id) => !found.has(id));
    if (missing.length === 0) return found;
    const rows = await this.db.client.webhook.findMany({ where: { webhookId: { in: missing } }, include: { secrets: { orderBy: { secretId: 'desc' } } } });
    if (this.cache.size > ENTRIES) this.cache.clear();
    for (const row of rows) {
      const endpoint = this.open(row);
      this.cache.set(row.webhookId, endpoint);
      found.set(row.webhookId, endpoint);
    }
    return found;
  }

  private open(row: Webhook & { secrets: WebhookSecret[] }): Endpoint {
    const { webhookId, tenantId, version, url } = row;
    const endpoint: Endpoint = { webhookId, tenantId, version, url, policy: row.retryPolicy as unknown as RetryPolicy, headers: {}, keys: [],
      rateLimit: row.rateLimit as RateLimit | null, disableAfterHours: row.disableAfterHours, onExhausted: row.onExhausted };
    try {
      if (row.headers) endpoint.headers = JSON.parse(this.sealer.open(row.headers, headersPlace(webhookId))) as Record<string, string>;
      endpoint.keys = row.secrets.map(({ secretId, sealed, expiresAt }) => ({
        key: createSecretKey(keyBytes(this.sealer.open(sealed, secretPlace(secretId)))),
        expiresAt: expiresAt?.getTime() ?? Number.POSITIVE_INFINITY,
      }));
    } catch (error) {
      // A lost sealing key is this webhook's trouble and must not become that of those claimed with it.
      endpoint.fault = `The webhook's secrets cannot be opened: ${(error as Error).message}`;
    }
    return endpoint;
  }
}
