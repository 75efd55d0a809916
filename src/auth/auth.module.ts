import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { IdempotencyGuard } from '../platform/index.js';
import { ApiKeys } from './api-keys.js';
import { ApiKeysController, TenantsController } from './auth.controller.js';
import { AuthGuard } from './auth.guard.js';
import { Tenants } from './tenants.js';

/**
 * # Auth: who is calling, and may they
 *
 * A tenant owns everything; a key belongs to one tenant and carries scopes. A request's way: `auth.guard` takes the key from
 * its header → `keys.ts` checks its shape and checksum → `api-keys.ts` compares its SHA-256 with the stored one (cached for
 * less than a second) → the route's `@Allow(scope)` is held against the key's scopes → the controller gets the `Caller`, and
 * every query below carries its tenant id.
 *
 * Guaranteed: a route without a declared scope refuses everybody; a revoked key is refused by every process within a
 * second; only hashes of keys are stored.
 */
@Module({
  controllers: [ApiKeysController, TenantsController],
  // In this order: an idempotency key belongs to a tenant.
  providers: [ApiKeys, Tenants, { provide: APP_GUARD, useClass: AuthGuard }, { provide: APP_GUARD, useClass: IdempotencyGuard }],
})
export class AuthModule {}
