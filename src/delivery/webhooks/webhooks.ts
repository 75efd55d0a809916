import { Injectable } from '@nestjs/common';
import type { Caller } from '../../auth/index.js';
import { AddressGuard, Clock, type Fault, findDestinationFault, pageOf, Problem, readCursor, Sealer, type Tx, uuidv7, type Webhook, type WebhookSecret } from '../../platform/index.js';
import { headersPlace, secretPlace } from './endpoints.js';
import { findHeaderFaults } from './headers.js';
import { readRetryPolicy, type RetryPolicy } from './retry.js';
import { keyBytes, makeSecret } from './sign.js';
import type { ChangeWebhook, CreatedWebhook, CreateWebhook, ReplaceWebhook, RotatedSecret, WebhookView } from './webhooks.dto.js';

type Row = Webhook & { secrets: WebhookSecret[] };

/** Live secrets at once: the newest and what still overlaps with it. */
const MAX_SECRETS = 5;
const HOUR_MS = 3_600_000;

/** Endpoints that receive events, and their secrets. */
@Injectable()
export class Webhooks {
  constructor(private readonly sealer: Sealer, private readonly guard: AddressGuard, private readonly clock: Clock) {}

  async create(tx: Tx, caller: Caller, { secret = makeSecret(), ...fields }: CreateWebhook): Promise<CreatedWebhook> {
    const policy = await this.check(fields);
    if (secret.startsWith('whsec_') && !/^whsec_(?:[A-Za-z0-9+/]{4}){2,}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(secret)) {
      throw Problem.invalid({ pointer: '/secret', detail: 'begins with whsec_, so the rest must be at least 6 bytes in base64' });
    }
    if (keyBytes(secret).length < 6) throw Problem.invalid({ pointer: '/secret', detail: 'must decode to at least 6 bytes' });
    const webhookId = uuidv7(this.clock.now());
    const row = await tx.webhook.create({
      data: { webhookId, tenantId: caller.tenantId, ...this.columns(webhookId, fields, policy), secrets: { create: this.sealSecret(secret) } },
      include: { secrets: true },
    });
    return { ...this.view(row), secret };
  }

  async list(tx: Tx, caller: Caller, limit: number, cursor?: string): Promise<{ data: WebhookView[]; next_cursor: string | null }> {
    const after = readCursor(cursor);
    const rows = await tx.webhook.findMany({
      where: { tenantId: caller.tenantId, deletedAt: null, ...(after && { webhookId: { lt: after[1] } }) },
      include: { secrets: true }, orderBy: { webhookId: 'desc' }, take: limit + 1,
    });
    return pageOf(rows, limit, (row) => [row.createdAt.toISOString(), row.webhookId], (row) => this.view(row));
  }

  async get(tx: Tx, caller: Caller, webhookId: string): Promise<WebhookView> {
    return this.view(await this.find(tx, caller, webhookId));
  }

  /** Sets every field; those left out get their defaults. The secret stays. */
  async replace(tx: Tx, caller: Caller, webhookId: string, fields: ReplaceWebhook): Promise<WebhookView> {
    await this.find(tx, caller, webhookId);
    const policy = await this.check(fields);
    return this.update(tx, webhookId, fields, policy);
  }

  /** Sets the fields given. */
  async change(tx: Tx, caller: Caller, webhookId: string, changes: ChangeWebhook): Promise<WebhookView> {
    const row = await this.find(tx, caller, webhookId);
    const given = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined));
    const current = this.view(row);
    const fields: ReplaceWebhook = {
      url: current.url, description: current.description, events: current.events, headers: current.headers,
      // Changing something else must not re-enable a disabled webhook.
      is_active: row.isActive, retry_policy: current.retry_policy, ...given,
    };
    const policy = await this.check(fields);
    return this.update(tx, webhookId, fields, policy, { keepDisabled: given.is_active !== true });
  }

  /** Deletes a webhook. Its past deliveries stay readable. */
  async delete(tx: Tx, caller: Caller, webhookId: string): Promise<void> {
    await this.find(tx, caller, webhookId);
    await tx.webhook.update({ where: { webhookId }, data: { deletedAt: new Date(this.clock.now()), version: { increment: 1 } } });
    await tx.webhookSecret.deleteMany({ where: { webhookId } });
  }

  /** A new secret signs from now on; the previous ones go on signing beside it for a while. */
  async rotateSecret(tx: Tx, caller: Caller, webhookId: string, overlapHours: number): Promise<RotatedSecret> {
    const { secrets } = await this.find(tx, caller, webhookId);
    const now = this.clock.now();
    const until = new Date(now + overlapHours * HOUR_MS);
    const live = secrets.filter(({ expiresAt }) => !expiresAt || expiresAt.getTime() > now).sort((a, b) => (a.secretId < b.secretId ? 1 : -1));
    if (live.length >= MAX_SECRETS && overlapHours > 0) {
      throw new Problem('conflict', `${MAX_SECRETS} secrets are live already. Wait for one to expire, or rotate with overlap_hours 0.`);
    }
    await tx.webhookSecret.deleteMany({ where: { webhookId, secretId: { notIn: overlapHours > 0 ? live.map(({ secretId }) => secretId) : [] } } });
    await tx.webhookSecret.updateMany({ where: { webhookId, OR: [{ expiresAt: null }, { expiresAt: { gt: until } }] }, data: { expiresAt: until } });
    const secret = makeSecret();
    await tx.webhookSecret.create({ data: { webhookId, ...this.sealSecret(secret) } });
    await tx.webhook.update({ where: { webhookId }, data: { version: { increment: 1 }, updatedAt: new Date(now) } });
    return { webhook_id: webhookId, secret, previous_expires_at: until.toISOString() };
  }

  /** The row of a caller's webhook, or 404. */
  async find(tx: Tx, caller: Caller, webhookId: string): Promise<Row> {
    const row = await tx.webhook.findFirst({ where: { webhookId, tenantId: caller.tenantId, deletedAt: null }, include: { secrets: true } });
    if (!row) throw Problem.notFound('webhook');
    return row;
  }

  private async check(fields: ReplaceWebhook): Promise<RetryPolicy> {
    const policy = readRetryPolicy(fields.retry_policy);
    const faults: Fault[] = [...findHeaderFaults(fields.headers), ...(Array.isArray(policy) ? policy : [])];
    const urlFault = await findDestinationFault(fields.url, this.guard);
    if (urlFault) faults.push({ pointer: '/url', detail: urlFault });
    if (faults.length > 0) throw Problem.invalid(...faults);
    return policy as RetryPolicy;
  }

  private async update(tx: Tx, webhookId: string, fields: ReplaceWebhook, policy: RetryPolicy, { keepDisabled = false } = {}): Promise<WebhookView> {
    const enable = fields.is_active && !keepDisabled ? { disabledAt: null, disabledReason: null } : {};
    const row = await tx.webhook.update({
      where: { webhookId },
      data: { ...this.columns(webhookId, fields, policy), ...enable, version: { increment: 1 }, updatedAt: new Date(this.clock.now()) },
      include: { secrets: true },
    });
    return this.view(row);
  }

  private columns(webhookId: string, { url, description, events, headers, is_active }: ReplaceWebhook, policy: RetryPolicy) {
    const sealed = Object.keys(headers).length > 0 ? this.sealer.seal(JSON.stringify(headers), headersPlace(webhookId)) : null;
    return { url, description, events, headers: sealed, isActive: is_active, retryPolicy: { ...policy } };
  }

  private sealSecret(secret: string): { secretId: string; sealed: string; hint: string } {
    const secretId = uuidv7(this.clock.now());
    return { secretId, sealed: this.sealer.seal(secret, secretPlace(secretId)), hint: `…${secret.slice(-4)}` };
  }

  private view(row: Row): WebhookView {
    const newest = row.secrets.reduce((a, b) => (a.secretId > b.secretId ? a : b));
    return {
      webhook_id: row.webhookId, url: row.url, description: row.description, events: row.events,
      headers: row.headers ? (JSON.parse(this.sealer.open(row.headers, headersPlace(row.webhookId))) as Record<string, string>) : {},
      is_active: row.isActive, status: row.disabledAt ? 'disabled' : row.isActive ? 'active' : 'paused', disabled_reason: row.disabledReason,
      secret_hint: newest.hint, retry_policy: row.retryPolicy as unknown as RetryPolicy,
      created_at: row.createdAt.toISOString(), updated_at: row.updatedAt.toISOString(),
    };
  }
}
