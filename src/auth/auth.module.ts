import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { IdempotencyGuard } from '../platform/index.js';
import { ApiKeys } from './api-keys.js';
import { AuditController } from './audit.controller.js';
import { Audit } from './audit.js';
import { ApiKeysController, TenantsController } from './auth.controller.js';
import { AuthGuard } from './auth.guard.js';
import { StraightRoutes } from './straight-routes.js';
import { Tenants } from './tenants.js';

/**
 * # Auth: who is calling, and may they
 *
 * A tenant owns everything; a key belongs to one tenant and carries scopes. A request's way: `auth.guard` takes the key from
 * its header → `keys.ts` checks its shape and checksum → `api-keys.ts` compares its SHA-256 with the stored one (cached for
 * less than a second) → the route's `@Allow(scope)` is held against the key's scopes → the controller gets the `Caller`, and
 * every query below carries its tenant id. `straight-routes.ts` has the hottest routes go the same way with fewer steps.
 *
 * What callers change is put on record by `audit.ts`, in the transaction that changes it: per tenant a chain of hashes
 * (`audit-chain.ts`) in a table that only grows.
 *
 * Guaranteed: a route without a declared scope refuses everybody; a revoked key is refused by every process within a
 * second; only hashes of keys are stored; a change and its audit record exist both or neither.
 */
@Module({
  controllers: [ApiKeysController, TenantsController, AuditController],
  // In this order: an idempotency key belongs to a tenant.
  providers: [ApiKeys, Tenants, Audit, StraightRoutes, AuthGuard, { provide: APP_GUARD, useExisting: AuthGuard }, { provide: APP_GUARD, useClass: IdempotencyGuard }],
  exports: [Audit, StraightRoutes],
})
export class AuthModule {}
