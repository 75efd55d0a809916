import { timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { type ApiKey, Clock, Database, Outage, pageOf, Problem, type RateLimit, readCursor, readRateLimit, Remembered, type Tx, uuidv7 } from '../platform/index.js';
import { ApiKeyView, type CreateApiKey, type CreatedApiKey } from './auth.dto.js';
import { Audit } from './audit.js';
import type { Caller } from './caller.js';
import { digestOf, hintOf, keyIdOf, makeKey } from './keys.js';
import { permits, type Scope } from './scopes.js';

/** The row of the key that `LAKEHOOK_ADMIN_KEY` sets: it may be any text, so it carries no id of its own. */
export const ENV_KEY_ID = '00000000-0000-7000-8000-000000000001';

/** A looked-up key may be used this long before it is looked up again: what bounds how late a revocation is seen. */
const CACHE_MS = 800;
const LAST_USED_MS = 60_000;

@Injectable()
export class ApiKeys {
  // Real time, not the injected clock: the promise is about seconds as other processes count them.
  private readonly rows: Remembered<ApiKey | null>;

  constructor(private readonly db: Database, private readonly clock: Clock, private readonly audit: Audit, outage: Outage) {
    this.rows = new Remembered(outage, async (keyId) => this.noteUse(await this.db.client.apiKey.findUnique({ where: { keyId } })), { freshMs: CACHE_MS });
  }

  /**
   * Who holds this key, or undefined. What is no key of ours (or mistyped, by its checksum) can only be the operator's own;
   * the same steps are taken whether the id is unknown or the secret wrong. Costs one query per key id and 0.8 s.
   * While Postgres is away, keys that were seen in the hour before are good, and others a 503.
   */
  async authenticate(key: string): Promise<Caller | undefined> {
    const keyId = keyIdOf(key) ?? (key.length >= 24 ? ENV_KEY_ID : undefined);
    if (!keyId) return undefined;
    // The operator's own key may look like one of ours: made by another installation, say.
    const row = (await this.rows.get(keyId)) ?? (await this.rows.get(ENV_KEY_ID));
    const same = timingSafeEqual(digestOf(key), row?.digest ?? digestOf(''));
    if (!row || !same || row.revokedAt || (row.expiresAt && row.expiresAt.getTime() <= this.clock.now())) return undefined;
    return { tenantId: row.tenantId, keyId: row.keyId, scopes: row.scopes, ...(row.expiresAt && { expiresAt: row.expiresAt }), ...(row.rateLimit !== null && { rateLimit: row.rateLimit as unknown as RateLimit }) };
  }

  async create(tx: Tx, caller: Caller, { name, scopes, expires_at, rate_limit }: CreateApiKey): Promise<CreatedApiKey> {
    const beyond = scopes.filter((scope) => !permits(caller.scopes, scope as Scope));
    if (beyond.length > 0) throw new Problem('forbidden', `A key cannot make one that may do more than itself: ${beyond.join(', ')}.`);
    if (expires_at && Date.parse(expires_at) <= this.clock.now()) throw Problem.invalid({ pointer: '/expires_at', detail: 'must lie in the future' });
    const rateLimit = readRateLimit(rate_limit);
    if (Array.isArray(rateLimit)) throw Problem.invalid(...rateLimit);
    const expiresAt = expires_at ? new Date(expires_at) : null;
    const { expiresAt: until, rateLimit: most } = caller;
    if (until && (!expiresAt || expiresAt > until)) throw new Problem('forbidden', `A key cannot make one that works longer than itself: expires_at must be given, and be at most ${until.toISOString()}.`);
    if (most && (!rateLimit || rateLimit.per_second > most.per_second || rateLimit.burst > most.burst)) {
      throw new Problem('forbidden', `A key cannot make one that may publish more than itself: rate_limit must be given, with at most ${most.per_second} per_second and a burst of ${most.burst}.`);
    }
    const created = await this.insert(tx, caller.tenantId, name, scopes, expiresAt, rateLimit);
    await this.audit.record(tx, caller, { action: 'api_key.created', subject_type: 'api_key', subject_id: created.key_id, after: { name, scopes, expires_at: created.expires_at, rate_limit: rateLimit } });
    return created;
  }

  /** Makes a key without asking whose: for the first boot and new tenants. */
  async insert(tx: Tx, tenantId: string, name: string, scopes: string[], expiresAt: Date | null = null, rateLimit: RateLimit | null = null): Promise<CreatedApiKey> {
    const keyId = uuidv7(this.clock.now());
    const key = makeKey(keyId);
    const row = await tx.apiKey.create({ data: { keyId, tenantId, name, scopes, digest: new Uint8Array(digestOf(key)), hint: hintOf(key), expiresAt, ...(rateLimit && { rateLimit: { ...rateLimit } }) } });
    return { ...ApiKeyView.of(row), key };
  }

  async list(tx: Tx, caller: Caller, limit: number, cursor?: string): Promise<{ data: ApiKeyView[]; next_cursor: string | null }> {
    const after = readCursor(cursor);
    const rows = await tx.apiKey.findMany({
      where: { tenantId: caller.tenantId, revokedAt: null, ...(after && { keyId: { lt: after[1] } }) },
      orderBy: { keyId: 'desc' },
      take: limit + 1,
    });
    return pageOf(rows, limit, (row) => [row.createdAt.toISOString(), row.keyId], ApiKeyView.of);
  }

  /** Revokes a key; every process refuses it within a second. Once that is committed, {@link forget} makes this one do so at once. */
  async revoke(tx: Tx, caller: Caller, keyId: string): Promise<void> {
    const { count } = await tx.apiKey.updateMany({ where: { keyId, tenantId: caller.tenantId, revokedAt: null }, data: { revokedAt: new Date(this.clock.now()) } });
    if (count === 0) throw Problem.notFound('API key');
    await this.audit.record(tx, caller, { action: 'api_key.revoked', subject_type: 'api_key', subject_id: keyId });
  }

  /** Has a key looked up again before its next use. */
  forget(keyId: string): void {
    this.rows.forget(keyId);
  }

  private noteUse(row: ApiKey | null): ApiKey | null {
    const now = this.clock.now();
    if (row && !row.revokedAt && now - (row.lastUsedAt?.getTime() ?? 0) > LAST_USED_MS) {
      // Bookkeeping only: a request must not fail because of it.
      this.db.client.apiKey.updateMany({ where: { keyId: row.keyId }, data: { lastUsedAt: new Date(now) } }).catch(() => {});
    }
    return row;
  }
}
