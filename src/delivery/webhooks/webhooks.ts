import { Injectable } from '@nestjs/common';
import type { Caller } from '../../auth/index.js';
import { AddressGuard, Clock, type Fault, findDestinationFault, pageOf, Prisma, Problem, readCursor, Sealer, type Tx, uuidv7, type Webhook, type WebhookSecret } from '../../platform/index.js';
import { readFilter } from '../filters/read-filter.js';
import { headersPlace, secretPlace } from './endpoints.js';
import { findHeaderFaults } from './headers.js';
import { DEFAULT_POLICY, readRetryPolicy, type RetryPolicy } from './retry.js';
import { keyBytes, makeSecret } from './sign.js';
import { lockWebhook } from './webhooks.sql.js';
import type { ChangeWebhook, CreatedWebhook, CreateWebhook, ReplaceWebhook, RotatedSecret, WebhookView } from './webhooks.dto.js';

type Row = Webhook & { secrets: WebhookSecret[] };

/** Live secrets at once: the newest and what still overlaps with it. */
const MAX_SECRETS = 5;
const HOUR_MS = 3_600_000;

/** Endpoints that receive events, and their secrets. */
@Injectable()
export class Webhooks {
  constructor(private readonly sealer: Sealer, private readonly guard: AddressGuard, private readonly clock: Clock) {}

  /** Check the fields first. */
  async create(tx: Tx, caller: Caller, { secret = makeSecret(), ...fields }: CreateWebhook): Promise<CreatedWebhook> {
    if (secret.startsWith('whsec_') && !/^whsec_(?:[A-Za-z0-9+/]{4}){2,}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(secret)) {
      throw Problem.invalid({ pointer: '/secret', detail: 'begins with whsec_, so the rest must be at least 6 bytes in base64' });
    }
    if (keyBytes(secret).length < 6) throw Problem.invalid({ pointer: '/secret', detail: 'must decode to at least 6 bytes' });
    const webhookId = uuidv7(this.clock.now());
    const row = await tx.webhook.create({
      data: {
        webhookId, tenantId: caller.tenantId, url: fields.url, description: fields.description, events: fields.events, isActive: fields.is_active,
        headers: this.columns(webhookId, fields).headers, filter: filterColumn(fields.filter), retryPolicy: { ...(readRetryPolicy(fields.retry_policy) as RetryPolicy) }, secrets: { create: this.sealSecret(secret) },
      },
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

  /** Sets every field; those left out get their defaults. The secret stays. Check the fields first. */
  async replace(tx: Tx, caller: Caller, webhookId: string, fields: ReplaceWebhook): Promise<WebhookView> {
    await this.lock(tx, caller, webhookId);
    return this.update(tx, webhookId, { ...fields, retry_policy: fields.retry_policy ?? DEFAULT_POLICY });
  }

  /** Sets the fields given, and only those. Check them first. */
  async change(tx: Tx, caller: Caller, webhookId: string, changes: ChangeWebhook): Promise<WebhookView> {
    await this.lock(tx, caller, webhookId);
    return this.update(tx, webhookId, changes);
  }

  /** Deletes a webhook. Its past deliveries stay readable. */
  async delete(tx: Tx, caller: Caller, webhookId: string): Promise<void> {
    await this.lock(tx, caller, webhookId);
    await tx.webhook.update({ where: { webhookId }, data: { deletedAt: new Date(this.clock.now()), version: { increment: 1 } } });
    await tx.webhookSecret.deleteMany({ where: { webhookId } });
  }

  /** A new secret signs from now on; the previous ones go on signing beside it for a while. */
  async rotateSecret(tx: Tx, caller: Caller, webhookId: string, overlapHours: number): Promise<RotatedSecret> {
    const { secrets } = await this.lock(tx, caller, webhookId);
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

  /** Refuses headers, a retry policy or a URL that cannot be used. Asks DNS, so it is called before any transaction. */
  async check({ url, headers, filter, retry_policy }: Partial<ReplaceWebhook>): Promise<void> {
    const policy = readRetryPolicy(retry_policy);
    const faults: Fault[] = [...findHeaderFaults(headers ?? {}), ...(Array.isArray(policy) ? policy : [])];
    const sieve = filter ? readFilter(filter) : [];
    if (Array.isArray(sieve)) faults.push(...sieve);
    const urlFault = url === undefined ? undefined : await findDestinationFault(url, this.guard);
    if (urlFault) faults.push({ pointer: '/url', detail: urlFault });
    if (faults.length > 0) throw Problem.invalid(...faults);
  }

  private async lock(tx: Tx, caller: Caller, webhookId: string): Promise<Row> {
    await lockWebhook(tx, webhookId);
    return this.find(tx, caller, webhookId);
  }

  private async update(tx: Tx, webhookId: string, fields: Partial<ReplaceWebhook>): Promise<WebhookView> {
    const enable = fields.is_active ? { disabledAt: null, disabledReason: null } : {};
    const row = await tx.webhook.update({
      where: { webhookId },
      data: { ...this.columns(webhookId, fields), ...enable, version: { increment: 1 }, updatedAt: new Date(this.clock.now()) },
      include: { secrets: true },
    });
    return this.view(row);
  }

  /** The columns of the fields given; Prisma leaves undefined ones as they are. */
  private columns(webhookId: string, { url, description, events, headers, filter, is_active, retry_policy }: Partial<ReplaceWebhook>) {
    const sealed = headers && (Object.keys(headers).length > 0 ? this.sealer.seal(JSON.stringify(headers), headersPlace(webhookId)) : null);
    return { url, description, events, headers: sealed, filter: filterColumn(filter), isActive: is_active, retryPolicy: retry_policy === undefined ? undefined : { ...(readRetryPolicy(retry_policy) as RetryPolicy) } };
  }

  private sealSecret(secret: string): { secretId: string; sealed: string; hint: string } {
    const secretId = uuidv7(this.clock.now());
    return { secretId, sealed: this.sealer.seal(secret, secretPlace(secretId)), hint: `…${secret.slice(-4)}` };
  }

  private view(row: Row): WebhookView {
    // None while it is being deleted.
    const [newest] = [...row.secrets].sort((a, b) => (a.secretId < b.secretId ? 1 : -1));
    return {
      webhook_id: row.webhookId, url: row.url, description: row.description, events: row.events,
      headers: this.openHeaders(row), filter: row.filter as Record<string, unknown> | null,
      is_active: row.isActive, status: row.disabledAt ? 'disabled' : row.isActive ? 'active' : 'paused', disabled_reason: row.disabledReason,
      secret_hint: newest?.hint ?? '', retry_policy: row.retryPolicy as unknown as RetryPolicy,
      created_at: row.createdAt.toISOString(), updated_at: row.updatedAt.toISOString(),
    };
  }

  /** Sealed with a key that is gone, headers read as nothing: the webhook must still be listed, and can be given new ones. */
  private openHeaders({ webhookId, headers }: Row): Record<string, string> {
    try {
      return headers ? (JSON.parse(this.sealer.open(headers, headersPlace(webhookId))) as Record<string, string>) : {};
    } catch {
      return {};
    }
  }
}

/** Null is no filter; undefined leaves the stored one. */
function filterColumn(filter: Record<string, unknown> | null | undefined): Prisma.InputJsonValue | typeof Prisma.DbNull | undefined {
  return filter === null ? Prisma.DbNull : (filter as Prisma.InputJsonValue | undefined);
}
