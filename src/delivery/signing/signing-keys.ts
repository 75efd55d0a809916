import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { Caller } from '../../auth/index.js';
import { Clock, Database, Problem, Sealer, type SigningKey, type Tx, uuidv7 } from '../../platform/index.js';
import { type PrivateKey } from './sign.js';
import type { PublicJwk, RotateSigningKey, SigningKeyPage, SigningKeyView } from './signing-keys.dto.js';
import { listPublished, lockSigningKeys } from './signing-keys.sql.js';

/** Published keys of a tenant at once: the one that signs, what comes after it and what still overlaps. */
const MAX_KEYS = 5;
const HOUR_MS = 3_600_000;
/** How long keys are used before they are looked up again: what bounds how late a rotation for a leak is seen. */
const CACHE_MS = 800;
const CACHE_ENTRIES = 10_000;

const keyPlace = (tenantId: string, keyId: string): string => `signing_keys.sealed:${tenantId}:${keyId}`;

/**
 * Key pairs per tenant: a key that tenants shared would let one of them sign events that another's receivers believe.
 *
 * A key has three times: published from `created_at`, signing from `activate_at` until a newer one does, published until
 * `retire_at`. One key of a tenant, the newest, has no end, and a unique index sees to that.
 */
@Injectable()
export class SigningKeys {
  private readonly cache = new Map<string, { loadedAt: number; keys: PrivateKey[] | Error }>();

  constructor(private readonly db: Database, private readonly sealer: Sealer, private readonly clock: Clock) {}

  /** Sees to it that the tenant has a key. Of processes that do so at once, one makes it. */
  async ensure(tx: Tx, tenantId: string): Promise<void> {
    if (!(await tx.signingKey.findFirst({ where: { tenantId, retireAt: null } }))) await this.insert(tx, tenantId, this.clock.now());
  }

  /** Everything that is published, newest first. At most a handful, so one page. */
  async list(tx: Tx, { tenantId }: Caller): Promise<SigningKeyPage> {
    const now = this.clock.now();
    const rows = await this.published(tx, tenantId, now);
    const active = rows.find(({ activateAt }) => activateAt.getTime() <= now);
    return { data: rows.map((row) => viewOf(row, row === active ? 'active' : row.activateAt.getTime() > now ? 'pending' : 'retiring')), next_cursor: null };
  }

  /**
   * Makes a key that signs after `activate_after_seconds`; the others stay published for `overlap_hours` from then on. One that
   * would have become active only after that is dropped. The first key of all signs at once: there is none to wait beside.
   */
  async rotate(tx: Tx, { tenantId }: Caller, { overlap_hours, activate_after_seconds }: RotateSigningKey): Promise<SigningKeyView> {
    await lockSigningKeys(tx, tenantId);
    const now = this.clock.now();
    // None, or another process has just made the first.
    const first = await this.insert(tx, tenantId, now);
    if (first) return viewOf(first, 'active');
    const activateAt = new Date(now + activate_after_seconds * 1000);
    const retireAt = new Date(activateAt.getTime() + overlap_hours * HOUR_MS);
    await tx.signingKey.deleteMany({ where: { tenantId, OR: [{ retireAt: { lte: new Date(now) } }, { activateAt: { gte: activateAt, gt: new Date(now) } }] } });
    await tx.signingKey.updateMany({ where: { tenantId, OR: [{ retireAt: null }, { retireAt: { gt: retireAt } }] }, data: { retireAt } });
    if ((await this.published(tx, tenantId, now)).length >= MAX_KEYS) {
      throw new Problem('conflict', `${MAX_KEYS} keys are published already. Wait for one to retire, or rotate with overlap_hours 0 and activate_after_seconds 0.`);
    }
    return viewOf((await this.insert(tx, tenantId, now, activateAt))!, activateAt.getTime() > now ? 'pending' : 'active');
  }

  /** The public keys of a tenant, or of the first one. */
  async publicKeys(tx: Tx, tenantId?: string, keyId?: string): Promise<PublicJwk[]> {
    return (await listPublished(tx, new Date(this.clock.now()), tenantId ?? null, keyId ?? null)).map(jwkOf);
  }

  /** The keys of each tenant to sign with, newest first, or why there are none. At most {@link CACHE_MS} old. */
  async load(tenantIds: Set<string>): Promise<Map<string, PrivateKey[] | Error>> {
    const now = this.clock.now();
    // Either way: a clock that was set back must not keep a key alive.
    const stale = [...tenantIds].filter((id) => !(Math.abs(now - (this.cache.get(id)?.loadedAt ?? 0)) < CACHE_MS));
    if (stale.length > 0) {
      const rows = await this.db.client.signingKey.findMany({
        where: { tenantId: { in: stale }, OR: [{ retireAt: null }, { retireAt: { gt: new Date(now) } }] }, orderBy: { signingKeyId: 'desc' },
      });
      if (this.cache.size > CACHE_ENTRIES) this.cache.clear();
      for (const id of stale) this.cache.set(id, { loadedAt: now, keys: this.open(rows.filter(({ tenantId }) => tenantId === id)) });
    }
    return new Map([...tenantIds].map((id) => [id, this.cache.get(id)!.keys]));
  }

  private open(rows: SigningKey[]): PrivateKey[] | Error {
    try {
      if (rows.length === 0) return new Error('the tenant has no signing key');
      return rows.map(({ tenantId, signingKeyId, sealed, activateAt }) => ({
        keyId: signingKeyId, key: createPrivateKey(this.sealer.open(sealed, keyPlace(tenantId, signingKeyId))), activateAt: activateAt.getTime(),
      }));
    } catch (error) {
      return error as Error;
    }
  }

  private published(tx: Tx, tenantId: string, now: number): Promise<SigningKey[]> {
    return tx.signingKey.findMany({ where: { tenantId, OR: [{ retireAt: null }, { retireAt: { gt: new Date(now) } }] }, orderBy: { signingKeyId: 'desc' } });
  }

  /** Adds a key without an end, unless the tenant has one. */
  private async insert(tx: Tx, tenantId: string, now: number, activateAt = new Date(now)): Promise<SigningKey | undefined> {
    const signingKeyId = uuidv7(now);
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    const sealed = this.sealer.seal(privateKey.export({ type: 'pkcs8', format: 'pem' }) as string, keyPlace(tenantId, signingKeyId));
    const row = { signingKeyId, tenantId, publicKey: publicKey.export({ format: 'jwk' }).x!, sealed, createdAt: new Date(now), activateAt, retireAt: null };
    const { count } = await tx.signingKey.createMany({ data: row, skipDuplicates: true });
    return count > 0 ? row : undefined;
  }
}

function jwkOf({ signingKeyId, publicKey }: Pick<SigningKey, 'signingKeyId' | 'publicKey'>): PublicJwk {
  return { kty: 'OKP', crv: 'Ed25519', x: publicKey, kid: signingKeyId, use: 'sig', alg: 'EdDSA' };
}

function viewOf(row: SigningKey, status: string): SigningKeyView {
  return {
    signing_key_id: row.signingKeyId, status, created_at: row.createdAt.toISOString(), activate_at: row.activateAt.toISOString(), retire_at: row.retireAt?.toISOString() ?? null,
    public_key: jwkOf(row), jwks_path: `/.well-known/webhooks-jwks.json?tenant_id=${row.tenantId}`,
  };
}
