import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Audit, type Caller, differenceOf } from '../../auth/index.js';
import { Clock, Config, type Fault, MASK, pageOf, Prisma, Problem, readCursor, Sealer, type Tx, uuidv7 } from '../../platform/index.js';
import type { Provider } from '../providers/provider.js';
import { PROVIDERS } from '../providers/providers.js';
import { digestOf, LiveSources, secretPlace, type SourceRow, tokenPlace } from './live-sources.js';
import { findOptionFaults, readOptions } from './options.js';
import { findSecretFault, hintOf, MAX_SECRETS, readSecrets, type WantedSecret } from './secrets.js';
import type { AddSecret, ChangeSource, CreateSource, ReplaceSource, RotateToken, SourcePage, SourceView } from './sources.dto.js';
import { lockSource, lockSourceQuota } from './sources.sql.js';

const HOUR_MS = 3_600_000;
const WHOLE = { secrets: true } as const;

/** Where providers post to. Values of secrets come in here and never leave. */
@Injectable()
export class Sources {
  constructor(private readonly sealer: Sealer, private readonly clock: Clock, private readonly config: Config, private readonly audit: Audit, private readonly live: LiveSources) {}

  async create(tx: Tx, caller: Caller, fields: CreateSource): Promise<SourceView> {
    const provider = PROVIDERS.get(fields.provider)!;
    const secrets = this.check(fields, provider);
    await this.requirePlace(tx, caller);
    const sourceId = uuidv7(this.clock.now());
    const { name, options, is_active } = fields;
    await tx.source.create({
      data: { sourceId, tenantId: caller.tenantId, name, provider: provider.name, options: readOptions(options) as Prisma.InputJsonObject, isActive: is_active, ...this.newToken(sourceId), secrets: { create: (secrets ?? []).map((wanted) => this.seal(wanted)) } },
    });
    const row = await this.find(tx, caller, sourceId);
    await this.record(tx, caller, 'created', row, { after: auditedOf(row) });
    return this.view(row);
  }

  async list(tx: Tx, caller: Caller, limit: number, cursor?: string): Promise<SourcePage> {
    const after = readCursor(cursor);
    const rows = await tx.source.findMany({ where: { tenantId: caller.tenantId, ...(after && { sourceId: { lt: after[1] } }) }, include: WHOLE, orderBy: { sourceId: 'desc' }, take: limit + 1 });
    return pageOf(rows, limit, (row) => [row.createdAt.toISOString(), row.sourceId], (row) => this.view(row));
  }

  async get(tx: Tx, caller: Caller, sourceId: string): Promise<SourceView> {
    return this.view(await this.find(tx, caller, sourceId));
  }

  /** Sets every field; those left out get their defaults. Secrets left out stay. */
  async replace(tx: Tx, caller: Caller, sourceId: string, fields: ReplaceSource): Promise<SourceView> {
    return this.update(tx, caller, await this.lock(tx, caller, sourceId), fields);
  }

  /** Sets the fields given, and only those. */
  async change(tx: Tx, caller: Caller, sourceId: string, changes: ChangeSource): Promise<SourceView> {
    return this.update(tx, caller, await this.lock(tx, caller, sourceId), changes);
  }

  /** Deletes a source, with its quarantine and conflicts. Its events stay. */
  async delete(tx: Tx, caller: Caller, sourceId: string): Promise<void> {
    const before = await this.lock(tx, caller, sourceId);
    await tx.quarantinedRequest.deleteMany({ where: { sourceId } });
    await tx.inboundConflict.deleteMany({ where: { sourceId } });
    await tx.source.delete({ where: { sourceId } });
    await this.record(tx, caller, 'deleted', before, { before: auditedOf(before) });
  }

  /** A new path; the previous one works beside it for a while. One that still did from an earlier rotation does not any more. */
  async rotateToken(tx: Tx, caller: Caller, sourceId: string, { overlap_hours }: RotateToken): Promise<SourceView> {
    const before = await this.lock(tx, caller, sourceId);
    const until = new Date(this.clock.now() + overlap_hours * HOUR_MS);
    const previous = overlap_hours > 0 ? { previousTokenHash: before.tokenHash, previousTokenExpiresAt: until } : { previousTokenHash: null, previousTokenExpiresAt: null };
    const row = await tx.source.update({ where: { sourceId }, data: { ...this.newToken(sourceId), ...previous, updatedAt: new Date(this.clock.now()) }, include: WHOLE });
    await this.record(tx, caller, 'token_rotated', row, { after: { overlap_hours } });
    return this.view(row);
  }

  /** Adds a secret; the previous ones go on verifying beside it for a while. */
  async rotateSecret(tx: Tx, caller: Caller, sourceId: string, { secret, expires_at, overlap_hours }: AddSecret): Promise<SourceView> {
    const before = await this.lock(tx, caller, sourceId);
    const fault = findSecretFault(secret, PROVIDERS.get(before.provider)!) ?? (secret === MASK ? 'is a mask' : undefined);
    if (fault) throw Problem.invalid({ pointer: '/secret', detail: fault });
    const now = this.clock.now();
    if (expires_at && Date.parse(expires_at) <= now) throw Problem.invalid({ pointer: '/expires_at', detail: 'must lie in the future' });
    const until = new Date(now + overlap_hours * HOUR_MS);
    await tx.sourceSecret.deleteMany({ where: { sourceId, ...(overlap_hours > 0 && { expiresAt: { lte: new Date(now) } }) } });
    if ((await tx.sourceSecret.count({ where: { sourceId } })) >= MAX_SECRETS) throw new Problem('conflict', `${MAX_SECRETS} secrets are live already. Set \`secrets\` without those that are not needed, or rotate with overlap_hours 0.`);
    await tx.sourceSecret.updateMany({ where: { sourceId, OR: [{ expiresAt: null }, { expiresAt: { gt: until } }] }, data: { expiresAt: until } });
    const row = await tx.source.update({ where: { sourceId }, data: { secrets: { create: this.seal({ secret, expiresAt: expires_at ? new Date(expires_at) : null }) }, updatedAt: new Date(this.clock.now()) }, include: WHOLE });
    await this.record(tx, caller, 'secret_rotated', row, { after: { overlap_hours } });
    return this.view(row);
  }

  /** The row of a caller's source, or 404. */
  async find(tx: Tx, caller: Caller, sourceId: string): Promise<SourceRow> {
    const row = await tx.source.findFirst({ where: { sourceId, tenantId: caller.tenantId }, include: WHOLE });
    if (!row) throw Problem.notFound('source');
    return row;
  }

  /** Has this process see a change of a source at once. The others do within a second. */
  forget({ sourceId, sealedToken }: SourceRow): void {
    const token = this.openToken(sourceId, sealedToken);
    if (token) this.live.forget(token);
  }

  private async lock(tx: Tx, caller: Caller, sourceId: string): Promise<SourceRow> {
    await lockSource(tx, sourceId);
    return this.find(tx, caller, sourceId);
  }

  private async update(tx: Tx, caller: Caller, before: SourceRow, fields: ChangeSource): Promise<SourceView> {
    const { sourceId } = before;
    const provider = PROVIDERS.get(fields.provider ?? before.provider)!;
    const secrets = this.check(fields, provider, before);
    if (secrets) {
      await tx.sourceSecret.deleteMany({ where: { sourceId, secretId: { notIn: secrets.flatMap(({ secretId }) => secretId ?? []) } } });
      for (const { secretId, expiresAt } of secrets) if (secretId) await tx.sourceSecret.update({ where: { secretId }, data: { expiresAt } });
    }
    const row = await tx.source.update({
      where: { sourceId },
      data: {
        name: fields.name, provider: fields.provider, isActive: fields.is_active, options: fields.options && (readOptions(fields.options) as Prisma.InputJsonObject),
        secrets: { create: (secrets ?? []).filter(({ secret }) => secret !== undefined).map((wanted) => this.seal(wanted)) }, updatedAt: new Date(this.clock.now()),
      },
      include: WHOLE,
    });
    const change = differenceOf(auditedOf(before), auditedOf(row));
    await this.record(tx, caller, 'changed', row, { before: change.before, after: { ...change.after, fields: Object.keys(fields).sort() } });
    return this.view(row);
  }

  /** Refuses what cannot be used, by itself or with what is `stored`. Answers the secrets, where they are given. */
  private check({ options, secrets, provider: given }: ChangeSource, provider: Provider, stored?: SourceRow): WantedSecret[] | undefined {
    const now = this.clock.now();
    const faults: Fault[] = [];
    // A provider that changes must be able to use what stays.
    if (options !== undefined || given !== undefined) faults.push(...findOptionFaults(options ?? stored!.options, provider));
    const wanted = secrets === undefined ? undefined : readSecrets(secrets, new Set(stored?.secrets.map(({ secretId }) => secretId)), provider, now);
    const usable = wanted !== undefined && !isFaulty(wanted) ? wanted : undefined;
    if (wanted && isFaulty(wanted)) faults.push(...wanted);
    const remaining = usable?.map(({ expiresAt }) => expiresAt) ?? stored?.secrets.map(({ expiresAt }) => expiresAt) ?? [];
    if (provider.needsSecret && (secrets === undefined || usable) && (secrets !== undefined || given !== undefined) && !remaining.some((expiresAt) => !expiresAt || expiresAt.getTime() > now)) {
      faults.push({ pointer: '/secrets', detail: `must hold at least one that has not expired: ${provider.name} requests are verified by it` });
    }
    if (stored && given !== undefined && given !== stored.provider) {
      const kept = new Set(usable ? usable.flatMap(({ secretId }) => secretId ?? []) : stored.secrets.map(({ secretId }) => secretId));
      const unfit = stored.secrets.filter(({ secretId }) => kept.has(secretId)).some((secret) => findSecretFault(this.sealer.open(secret.sealed, secretPlace(secret.secretId)), provider));
      if (unfit) faults.push({ pointer: '/secrets', detail: `must be given anew: what is stored is no secret of ${provider.name}` });
    }
    if (faults.length > 0) throw Problem.invalid(...faults);
    return usable;
  }

  private async requirePlace(tx: Tx, caller: Caller): Promise<void> {
    const limit = this.config.SOURCES_PER_TENANT;
    await lockSourceQuota(tx, caller.tenantId);
    if ((await tx.source.count({ where: { tenantId: caller.tenantId } })) >= limit) throw new Problem('conflict', `The tenant has ${limit} sources, which is the limit (SOURCES_PER_TENANT). Delete one first.`);
  }

  private newToken(sourceId: string): { tokenHash: Uint8Array<ArrayBuffer>; sealedToken: string } {
    const token = randomBytes(32).toString('base64url');
    return { tokenHash: new Uint8Array(digestOf(token)), sealedToken: this.sealer.seal(token, tokenPlace(sourceId)) };
  }

  private seal({ secret, expiresAt }: WantedSecret): { secretId: string; sealed: string; hint: string; createdAt: Date; expiresAt: Date | null } {
    const now = this.clock.now();
    const secretId = uuidv7(now);
    return { secretId, sealed: this.sealer.seal(secret!, secretPlace(secretId)), hint: hintOf(secret!), createdAt: new Date(now), expiresAt };
  }

  private openToken(sourceId: string, sealedToken: string): string | undefined {
    try {
      return this.sealer.open(sealedToken, tokenPlace(sourceId));
    } catch {
      return undefined;
    }
  }

  private record(tx: Tx, caller: Caller, verb: string, { sourceId }: SourceRow, change: { before?: object; after?: object }): Promise<void> {
    return this.audit.record(tx, caller, { action: `source.${verb}`, subject_type: 'source', subject_id: sourceId, ...change });
  }

  private view(row: SourceRow): SourceView {
    const now = this.clock.now();
    const token = this.openToken(row.sourceId, row.sealedToken);
    return {
      source_id: row.sourceId, name: row.name, provider: row.provider, ingest_path: token ? `/in/${token}` : null,
      previous_path_expires_at: row.previousTokenExpiresAt && row.previousTokenExpiresAt.getTime() > now ? row.previousTokenExpiresAt.toISOString() : null,
      secrets: row.secrets.filter(({ expiresAt }) => !expiresAt || expiresAt.getTime() > now).sort((a, b) => (a.secretId < b.secretId ? 1 : -1))
        .map(({ secretId, hint, createdAt, expiresAt }) => ({ secret_id: secretId, secret: MASK, hint, created_at: createdAt.toISOString(), expires_at: expiresAt?.toISOString() ?? null })),
      options: row.options as Record<string, unknown>, is_active: row.isActive, created_at: row.createdAt.toISOString(), updated_at: row.updatedAt.toISOString(),
    };
  }
}

function isFaulty(read: WantedSecret[] | Fault[]): read is Fault[] {
  return read.length > 0 && 'pointer' in read[0]!;
}

/** What the audit log holds of a source: nothing that verifies, nor the path. */
function auditedOf({ name, provider, options, isActive, secrets }: SourceRow): Record<string, unknown> {
  return { name, provider, options, is_active: isActive, secret_ids: secrets.map(({ secretId }) => secretId).sort() };
}
