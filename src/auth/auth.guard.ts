import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import { Problem, PUBLIC } from '../platform/index.js';
import { ApiKeys } from './api-keys.js';
import { ALLOW } from './caller.js';
import { permits, type Scope } from './scopes.js';

type Demand = Scope | 'public' | undefined;

/** Lets a request in when its key is good and carries the scope of the route. Deny is the default. */
@Injectable()
export class AuthGuard implements CanActivate {
  private readonly demands = new Map<unknown, Demand>();

  constructor(private readonly reflector: Reflector, private readonly keys: ApiKeys) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const demand = this.demandOf(context.getHandler(), context.getClass());
    if (demand !== 'public') await this.admit(context.switchToHttp().getRequest<FastifyRequest>(), demand);
    return true;
  }

  /** Says on the request who is asking. Throws when their key is not good, or does not carry the scope that is demanded. */
  async admit(request: FastifyRequest, demand: Scope | undefined): Promise<void> {
    const key = keyOf(request);
    const caller = key === undefined ? undefined : await this.keys.authenticate(key);
    if (!caller) throw new Problem('unauthenticated', key === undefined ? 'The request carries no API key.' : 'The API key is unknown, mistyped, expired or revoked.');
    request.caller = { ...caller, requestId: request.id };
    request.tenantId = caller.tenantId;
    request.keyId = caller.keyId;
    if (!demand || !permits(caller.scopes, demand)) throw new Problem('forbidden', `This needs a key with the scope ${demand ?? 'of another kind'}.`);
  }

  /** What a handler asks of its caller; looked up once for each. */
  demandOf(handler: Function, controller: Function): Demand {
    if (!this.demands.has(handler)) {
      const targets = [handler, controller];
      const isPublic = this.reflector.getAllAndOverride<boolean>(PUBLIC, targets);
      this.demands.set(handler, isPublic ? 'public' : this.reflector.getAllAndOverride<Scope | undefined>(ALLOW, targets));
    }
    return this.demands.get(handler);
  }
}

function keyOf(request: FastifyRequest): string | undefined {
  const { authorization } = request.headers;
  if (authorization) return /^Bearer +(.+)$/i.exec(authorization)?.[1] ?? '';
  const header = request.headers['x-api-key'];
  return typeof header === 'string' ? header : undefined;
}
