import { Injectable } from '@nestjs/common';
import { Audit, type Caller, differenceOf } from '../../auth/index.js';
import { AddressGuard, Clock, Config, type Fault, findDestinationFault, pageOf, Prisma, Problem, type RateLimit, readCursor, readRateLimit, Sealer, type Tx, uuidv7, type Webhook, type WebhookFlow, type WebhookSecret } from '../../platform/index.js';
import { type Credentials, NO_CREDENTIALS, openCredentials, readCredentials, sealCredentials, viewCredentials } from '../credentials/credentials.js';
import { readFilter } from '../filters/read-filter.js';
import { findClashes, readContract, type SignatureContract } from '../signing/contract.js';
import { findSecretFault, makeSecret } from '../signing/sign.js';
import { SigningKeys } from '../signing/signing-keys.js';
import { lockPartner } from '../partners/partners.sql.js';
import { auditedOf } from './audited.js';
import { headersPlace, sealSecret } from './endpoints.js';
import { Forms } from './forms.js';
import { startRamp, setRateLimit } from '../flow/flows.sql.js';
import { findHeaderFaults } from './headers.js';
import { DEFAULT_POLICY, readRetryPolicy, type RetryPolicy } from './retry.js';
import { lockWebhook, lockWebhookQuota } from './webhooks.sql.js';
import type { ChangeWebhook, CircuitView, CreatedWebhook, CreateWebhook, ReplaceWebhook, WebhookView } from './webhooks.dto.js';

type Row = Webhook & { secrets: WebhookSecret[]; flow: WebhookFlow | null };

/** The columns of a webhook whose fields are all given. */
type Complete<Columns> = { [Name in keyof Columns]: Exclude<Columns[Name], undefined> };

/** What a view is made of. */
const WHOLE = { secrets: true, flow: true } as const;

/** Endpoints that receive events. */
@Injectable()
export class Webhooks {
  constructor(private readonly sealer: Sealer, private readonly guard: AddressGuard, private readonly clock: Clock, private readonly signingKeys: SigningKeys, private readonly forms: Forms, private readonly config: Config, private readonly audit: Audit) {}

  /** Check the fields first. */
  async create(tx: Tx, caller: Caller, { secret = makeSecret(), partner_id: partnerId, ...fields }: CreateWebhook): Promise<CreatedWebhook> {
    const fault = findSecretFault(secret);
    if (fault) throw Problem.invalid({ pointer: '/secret', detail: fault });
    await this.requirePlace(tx, caller);
    if (partnerId !== undefined && !(await lockPartner(tx, caller.tenantId, partnerId))) throw Problem.invalid({ pointer: '/partner_id', detail: 'names no partner' });
    await this.prepareSigning(tx, caller.tenantId, fields);
    const webhookId = uuidv7(this.clock.now());
    const row = await tx.webhook.create({
      data: {
        webhookId, tenantId: caller.tenantId, partnerId, ...(this.columns(webhookId, { ...fields, retry_policy: fields.retry_policy ?? DEFAULT_POLICY }) as Complete<ReturnType<Webhooks['columns']>>),
        ...this.forms.columns(webhookId, fields),
        credentials: this.sealedCredentials(webhookId, fields),
        secrets: { create: sealSecret(this.sealer, secret, this.clock.now()) },
      },
      include: WHOLE,
    });
    if (fields.rate_limit) await setRateLimit(tx, webhookId, readRateLimit(fields.rate_limit) as RateLimit, row.createdAt);
    await this.record(tx, caller, 'created', webhookId, { after: auditedOf(row) });
    return { ...this.view(row), secret };
  }

  async list(tx: Tx, caller: Caller, limit: number, cursor?: string): Promise<{ data: WebhookView[]; next_cursor: string | null }> {
    const after = readCursor(cursor);
    const rows = await tx.webhook.findMany({
      where: { tenantId: caller.tenantId, deletedAt: null, ...(after && { webhookId: { lt: after[1] } }) },
      include: WHOLE, orderBy: { webhookId: 'desc' }, take: limit + 1,
    });
    return pageOf(rows, limit, (row) => [row.createdAt.toISOString(), row.webhookId], (row) => this.view(row));
  }

  async get(tx: Tx, caller: Caller, webhookId: string): Promise<WebhookView> {
    return this.view(await this.find(tx, caller, webhookId));
  }

  /** Sets every field; those left out get their defaults. The secret stays. Check the fields first. */
  async replace(tx: Tx, caller: Caller, webhookId: string, fields: ReplaceWebhook): Promise<WebhookView> {
    return this.update(tx, caller, await this.lock(tx, caller, webhookId), { ...fields, retry_policy: fields.retry_policy ?? DEFAULT_POLICY, rate_limit: fields.rate_limit ?? null });
  }

  /** Sets the fields given, and only those. Check them first. */
  async change(tx: Tx, caller: Caller, webhookId: string, changes: ChangeWebhook): Promise<WebhookView> {
    return this.update(tx, caller, await this.lock(tx, caller, webhookId), changes);
  }

  /** Deletes a webhook. Its past deliveries stay readable. */
  async delete(tx: Tx, caller: Caller, webhookId: string): Promise<void> {
    const before = await this.lock(tx, caller, webhookId);
    await tx.webhook.update({ where: { webhookId }, data: { deletedAt: new Date(this.clock.now()), headers: null, formatOptions: null, credentials: null, version: { increment: 1 } } });
    await tx.webhookSecret.deleteMany({ where: { webhookId } });
    await this.record(tx, caller, 'deleted', webhookId, { before: auditedOf(before) });
  }

  /** The row of a caller's webhook, or 404. */
  async find(tx: Tx, caller: Caller, webhookId: string): Promise<Row> {
    const row = await tx.webhook.findFirst({ where: { webhookId, tenantId: caller.tenantId, deletedAt: null }, include: WHOLE });
    if (!row) throw Problem.notFound('webhook');
    return row;
  }

  /** Refuses fields that cannot be used, by themselves or with what is `stored`. Asks DNS, so it is called before any transaction. */
  async check(fields: Partial<ReplaceWebhook>, stored?: Row): Promise<void> {
    const { url, headers, filter, retry_policy, rate_limit, signature } = fields;
    const faults: Fault[] = [
      ...findHeaderFaults(headers ?? {}),
      ...(filter ? faultsOf(readFilter(filter)) : []),
      ...faultsOf(readRetryPolicy(retry_policy)),
      ...faultsOf(readRateLimit(rate_limit)),
      ...faultsOf(readContract(signature)),
      ...this.forms.faults(fields, stored),
    ];
    const urlFault = url === undefined ? undefined : await findDestinationFault(url, this.guard);
    if (urlFault) faults.push({ pointer: '/url', detail: urlFault });
    const credentials = this.readCredentials(fields, stored);
    if (Array.isArray(credentials)) faults.push(...credentials);
    else if (fields.auth !== undefined && credentials.auth.type === 'oauth2') {
      const detail = await findDestinationFault(credentials.auth.token_url, this.guard);
      if (detail) faults.push({ pointer: '/auth/token_url', detail });
    }
    if (faults.length > 0) throw Problem.invalid(...faults);
  }

  /** Makes concurrent changes of a webhook wait for this transaction, and answers the row as it then is, or 404. */
  async lock(tx: Tx, caller: Caller, webhookId: string): Promise<Row> {
    await lockWebhook(tx, webhookId);
    return this.find(tx, caller, webhookId);
  }

  private async update(tx: Tx, caller: Caller, before: Row, fields: Partial<ReplaceWebhook>): Promise<WebhookView> {
    const { webhookId } = before;
    await this.prepareSigning(tx, before.tenantId, fields, before);
    const at = new Date(this.clock.now());
    const enable = fields.is_active ? { disabledAt: null, disabledReason: null } : {};
    if (fields.rate_limit !== undefined) await setRateLimit(tx, webhookId, readRateLimit(fields.rate_limit) as RateLimit | null, at);
    // What has gathered goes out at a ramp, not as a herd.
    if ((fields.is_active && !before.isActive) || mends(fields, before, at)) await startRamp(tx, webhookId, at);
    const row = await tx.webhook.update({
      where: { webhookId },
      data: { ...this.columns(webhookId, fields), ...this.forms.columns(webhookId, fields, before), credentials: this.sealedCredentials(webhookId, fields, before), ...enable, version: { increment: 1 }, updatedAt: at },
      include: WHOLE,
    });
    const change = differenceOf(auditedOf(before), auditedOf(row));
    await this.record(tx, caller, before.disabledAt && !row.disabledAt ? 'enabled' : 'changed', webhookId, { before: change.before, after: { ...change.after, fields: Object.keys(fields).sort() } });
    return this.view(row);
  }

  private async requirePlace(tx: Tx, caller: Caller): Promise<void> {
    const limit = this.config.WEBHOOKS_PER_TENANT;
    await lockWebhookQuota(tx, caller.tenantId);
    if ((await tx.webhook.count({ where: { tenantId: caller.tenantId, deletedAt: null } })) >= limit) {
      throw new Problem('conflict', `The tenant has ${limit} webhooks, which is the limit (WEBHOOKS_PER_TENANT). Delete one first.`);
    }
  }

  /** Puts what was done to a webhook on record; last in its transaction. */
  record(tx: Tx, caller: Caller, verb: string, webhookId: string, change: { before?: object; after?: object }): Promise<void> {
    return this.audit.record(tx, caller, { action: `webhook.${verb}`, subject_type: 'webhook', subject_id: webhookId, ...change });
  }

  /** The columns of the fields given; Prisma leaves undefined ones as they are. */
  private columns(webhookId: string, fields: Partial<ReplaceWebhook>) {
    const { headers, filter, retry_policy, rate_limit, signature } = fields;
    return {
      url: fields.url,
      description: fields.description,
      events: fields.events,
      headers: headers && (Object.keys(headers).length > 0 ? this.sealer.seal(JSON.stringify(headers), headersPlace(webhookId)) : null),
      filter: filter === undefined ? undefined : filter === null ? Prisma.DbNull : (filter as Prisma.InputJsonObject),
      isActive: fields.is_active,
      retryPolicy: retry_policy === undefined ? undefined : { ...(readRetryPolicy(retry_policy) as RetryPolicy) },
      rateLimit: rate_limit === undefined ? undefined : rate_limit === null ? Prisma.DbNull : { ...(readRateLimit(rate_limit) as RateLimit) },
      ordered: fields.ordered,
      orderKey: fields.order_key,
      onExhausted: fields.on_exhausted,
      disableAfterHours: fields.disable_after_hours,
      signing: fields.signing,
      signature: signature === undefined ? undefined : signature === null ? Prisma.DbNull : { ...(readContract(signature) as SignatureContract) },
    };
  }

  /** Refuses a signature contract and other headers that do not go together, given or stored, and makes the tenant's first key when it is wanted. */
  private async prepareSigning(tx: Tx, tenantId: string, fields: Partial<ReplaceWebhook>, before?: Row): Promise<void> {
    const { headers, secret_headers, auth, signing, signature } = fields;
    const contract = signature === undefined ? (before?.signature as unknown as SignatureContract | null | undefined) : (readContract(signature) as SignatureContract | null);
    if (contract && (headers || secret_headers || auth || signature)) {
      const credentials = this.requireCredentials(fields, before);
      const names = { headers: Object.keys(headers ?? (before ? this.openHeaders(before) : {})), secret_headers: Object.keys(credentials.secret_headers), auth: credentials.auth.type === 'none' ? [] : ['authorization'] };
      const clashes = findClashes(contract, names, Object.entries(fields).flatMap(([name, value]) => (value ? [name] : [])));
      if (clashes.length > 0) throw Problem.invalid(...clashes);
    }
    if (signing?.includes('v1a')) await this.signingKeys.ensure(tx, tenantId);
  }

  private view(row: Row): WebhookView {
    // None while it is being deleted.
    const [newest] = [...row.secrets].sort((a, b) => (a.secretId < b.secretId ? 1 : -1));
    return {
      webhook_id: row.webhookId,
      partner_id: row.partnerId,
      url: row.url,
      description: row.description,
      events: row.events,
      headers: this.openHeaders(row),
      ...viewCredentials(this.openCredentials(row)),
      filter: row.filter as Record<string, unknown> | null,
      ...this.forms.view(row),
      is_active: row.isActive,
      status: statusOf(row),
      disabled_reason: row.disabledReason,
      secret_hint: newest?.hint ?? '',
      retry_policy: row.retryPolicy as unknown as RetryPolicy,
      rate_limit: row.rateLimit as RateLimit | null,
      ordered: row.ordered,
      order_key: row.orderKey,
      on_exhausted: row.onExhausted,
      disable_after_hours: row.disableAfterHours,
      signing: row.signing,
      signature: row.signature as unknown as SignatureContract | null,
      circuit: circuitOf(row.flow),
      created_at: row.createdAt.toISOString(),
      updated_at: row.updatedAt.toISOString(),
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

  /** Like headers. */
  private openCredentials(row: Row): Credentials {
    try {
      return openCredentials(this.sealer, row);
    } catch {
      return NO_CREDENTIALS;
    }
  }

  private readCredentials(fields: Partial<ReplaceWebhook>, stored?: Row): Credentials | Fault[] {
    const { url, headers, credentials } = stored ? { url: stored.url, headers: this.openHeaders(stored), credentials: this.openCredentials(stored) } : { headers: {}, credentials: NO_CREDENTIALS };
    return readCredentials(fields, { url, headers, credentials }, this.clock.now());
  }

  private requireCredentials(fields: Partial<ReplaceWebhook>, stored?: Row): Credentials {
    const credentials = this.readCredentials(fields, stored);
    if (Array.isArray(credentials)) throw Problem.invalid(...credentials);
    return credentials;
  }

  /** The column once `fields` are applied; undefined when it stays as it is. What is stored may have changed since the check. */
  private sealedCredentials(webhookId: string, fields: Partial<ReplaceWebhook>, stored?: Row): string | null | undefined {
    const credentials = this.requireCredentials(fields, stored);
    return fields.secret_headers || fields.auth || fields.tls ? sealCredentials(this.sealer, webhookId, credentials) : undefined;
  }
}

function faultsOf(read: object | null): Fault[] {
  return Array.isArray(read) ? (read as Fault[]) : [];
}

function statusOf({ disabledAt, isActive, flow }: Row): string {
  if (disabledAt) return 'disabled';
  if (!isActive) return 'paused';
  return flow && flow.state !== 'closed' ? 'open_circuit' : 'active';
}

/** Whether a change may be what a webhook that fails or is held has been waiting for: what its old receiver did then counts no more. */
function mends({ url = '', headers, secret_headers, auth, tls }: Partial<ReplaceWebhook>, { url: before, flow }: Row, at: Date): boolean {
  const troubled = flow && (flow.state !== 'closed' || flow.failingSince || (flow.heldUntil && flow.heldUntil > at));
  return Boolean(troubled && ((url && url !== before) || headers || secret_headers || auth || tls));
}

const iso = (time: Date | null | undefined): string | null => time?.toISOString() ?? null;

function circuitOf(flow: WebhookFlow | null): CircuitView {
  return {
    state: flow?.state ?? 'closed', failing_since: iso(flow?.failingSince), opened_at: iso(flow?.openedAt), next_probe_at: iso(flow?.probeAt),
    held_until: iso(flow?.heldUntil), last_error: flow?.lastError ?? null,
  };
}
