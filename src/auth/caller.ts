import { createParamDecorator, type CustomDecorator, type ExecutionContext, SetMetadata } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { RateLimit } from '../platform/index.js';
import type { Scope } from './scopes.js';

/** Who is asking, once the guard has let them in. */
export interface Caller {
  tenantId: string;
  keyId: string;
  scopes: readonly string[];
  /** When the key stops working, where it does. */
  expiresAt?: Date;
  /** How many events the key may publish, where it is limited. */
  rateLimit?: RateLimit;
  /** Of the request they ask by. */
  requestId?: string;
}

declare module 'fastify' {
  interface FastifyRequest {
    caller?: Caller;
  }
}

export const ALLOW = 'lakehook:allow';

/** The scope a route demands. A route with neither this nor PUBLIC refuses everybody. */
export const Allow = (scope: Scope): CustomDecorator => SetMetadata(ALLOW, scope);

/** The authorised caller, as a controller argument. */
export const CurrentCaller = createParamDecorator((_: unknown, context: ExecutionContext): Caller => context.switchToHttp().getRequest<FastifyRequest>().caller!);
