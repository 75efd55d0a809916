import { Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { AuthGuard } from './auth.guard.js';

type Handler = (request: FastifyRequest, reply: FastifyReply) => Promise<string | object>;

/**
 * Takes the hottest routes past what Nest puts around a handler (guards, pipes, interceptors, answer: a dozen promises and closures).
 * They are declared like any other; the same guard lets their callers in by what they demand, and what they throw ends in the same
 * filter. A request with an `Idempotency-Key` or an empty parameter goes the usual way.
 */
@Injectable()
export class StraightRoutes {
  constructor(private readonly http: HttpAdapterHost, private readonly guard: AuthGuard) {}

  /** Of POST to `url`, whose answers have `status`. To be called from the controller's constructor, before routes are made. */
  add<Name extends string>(url: string, status: number, controller: Record<Name, Handler>, name: Name): void {
    const fastify = this.http.httpAdapter.getInstance() as FastifyInstance;
    const demand = this.guard.demandOf(controller[name], controller.constructor);
    const straight = async (request: FastifyRequest, reply: FastifyReply): Promise<string | object> => {
      if (demand !== 'public') await this.guard.admit(request, demand);
      void reply.status(status);
      return controller[name](request, reply);
    };
    let isMade = false;
    fastify.addHook('onRoute', (route) => {
      if (route.url !== url || route.method !== 'POST') return;
      const usual = route.handler;
      route.handler = function (request, reply) {
        return isPlain(request) ? straight(request, reply) : usual.call(this, request, reply);
      };
      isMade = true;
    });
    fastify.addHook('onReady', async () => {
      if (!isMade) throw new Error(`No route was made for POST ${url} since it was to be straight`);
    });
  }
}

/** Whether there is nothing that only the usual way knows what to do with. */
function isPlain({ headers, params }: FastifyRequest): boolean {
  return headers['idempotency-key'] === undefined && !Object.values(params as object).includes('');
}
