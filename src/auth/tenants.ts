import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { Clock, Config, Database, type Tx, uuidv7 } from '../platform/index.js';
import { ApiKeys, ENV_KEY_ID } from './api-keys.js';
import { Audit } from './audit.js';
import type { CreatedTenant } from './auth.dto.js';
import type { Caller } from './caller.js';
import { digestOf, hintOf } from './keys.js';
import { OPERATOR_SCOPES } from './scopes.js';

const FIRST_SCOPES = ['*', ...OPERATOR_SCOPES];

/** Tenants, and how the first one and its key come to be. */
@Injectable()
export class Tenants implements OnApplicationBootstrap {
  constructor(private readonly db: Database, private readonly keys: ApiKeys, private readonly config: Config, private readonly clock: Clock, private readonly audit: Audit) {}

  /** Put on record with the tenant that makes it: the new one's log begins with its own changes. */
  async create(caller: Caller, name: string): Promise<CreatedTenant> {
    return this.db.transaction(async (tx) => {
      const { tenantId } = await this.insert(tx, name);
      const { key } = await this.keys.insert(tx, tenantId, 'first key', ['*']);
      await this.audit.record(tx, caller, { action: 'tenant.created', subject_type: 'tenant', subject_id: tenantId, after: { name } });
      return { tenant_id: tenantId, name, admin_key: key };
    });
  }

  /** On the first boot makes the tenant `default` and its admin key; on every boot applies `LAKEHOOK_ADMIN_KEY`. */
  async onApplicationBootstrap(): Promise<void> {
    const announced = await this.db.transaction(async (tx) => {
      // Processes that boot together wait here for each other.
      await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtext('lakehook first boot'))`;
      const first = (await tx.tenant.findFirst({ orderBy: { tenantId: 'asc' } })) ?? (await this.insert(tx, 'default'));
      if (this.config.LAKEHOOK_ADMIN_KEY) return this.applyEnvironmentKey(tx, first.tenantId, this.config.LAKEHOOK_ADMIN_KEY);
      if ((await tx.apiKey.count()) > 0) return undefined;
      return (await this.keys.insert(tx, first.tenantId, 'first admin key', FIRST_SCOPES)).key;
    });
    // Not through the log: it is the one secret this process ever prints, and log shippers need not have it.
    if (announced) process.stderr.write(`\n  Your admin key, shown this once:  ${announced}\n\n`);
  }

  private async applyEnvironmentKey(tx: Tx, tenantId: string, key: string): Promise<undefined> {
    const value = { digest: new Uint8Array(digestOf(key)), hint: hintOf(key) };
    await tx.apiKey.upsert({
      where: { keyId: ENV_KEY_ID },
      create: { keyId: ENV_KEY_ID, tenantId, name: 'LAKEHOOK_ADMIN_KEY', scopes: FIRST_SCOPES, ...value },
      update: { ...value, revokedAt: null },
    });
  }

  private insert(tx: Tx, name: string): Promise<{ tenantId: string }> {
    return tx.tenant.create({ data: { tenantId: uuidv7(this.clock.now()), name } });
  }
}
