import { createHash } from 'node:crypto';
import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import type { FastifyRequest } from 'fastify';
import { Sealer } from '../crypto/sealer.js';
import { Database, type Tx } from '../db/database.js';
import { Outage } from '../db/outage.js';
import { isDatabaseAway } from '../errors/problem.filter.js';
import { KeptAnswer, Problem } from '../errors/problem.js';
import { dropExpiredIdempotencyKeys, takeIdempotencyKey } from './idempotency.sql.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Whose request this is; set by the auth guard. */
    tenantId?: string;
    /** Keeps the answer of a request that took an idempotency key, before it is sent. */
    keepAnswer?: (status: number, text: string) => Promise<void>;
    /** Keeps it in the transaction that does the work, for work that must not be done twice even if this process dies before it has answered. */
    keepAnswerIn?: (tx: Tx, status: number, answer: object) => Promise<void>;
  }
}

/**
 * `Idempotency-Key` on any POST: the first success is kept for 24 hours, sealed (it may hold a secret that is shown once),
 * and answered again to the same request by the same API key: another may not be allowed what the answer shows. A failure releases the key, so that a corrected request can use it.
 *
 * A guard, after the one that knows the tenant, and not an interceptor: it costs a request without the header nothing.
 */
@Injectable()
export class IdempotencyGuard implements CanActivate {
  constructor(private readonly db: Database, private readonly sealer: Sealer, private readonly outage: Outage) {}

  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const key = request.headers['idempotency-key'];
    if (key === undefined || request.method !== 'POST' || request.tenantId === undefined) return true;
    if (typeof key !== 'string' || !/^[\x20-\x7e]{1,255}$/.test(key)) {
      throw Problem.invalid({ pointer: 'Idempotency-Key', detail: 'must be 1 to 255 printable ASCII characters' });
    }
    return this.takeUnlessAway(request, request.tenantId, key);
  }

  @Interval(3_600_000)
  async dropExpired(): Promise<void> {
    await dropExpiredIdempotencyKeys(this.db.client);
  }

  /** While Postgres is away, a route that can do without goes on without. */
  private async takeUnlessAway(request: FastifyRequest, tenantId: string, key: string): Promise<true> {
    try {
      return await this.outage.watch(() => this.take(request, tenantId, key));
    } catch (error) {
      const isAway = isDatabaseAway(error) || (error instanceof Problem && error.code === 'unavailable');
      if (!isAway || !request.routeOptions.config.outlivesDatabase) throw error;
      return true;
    }
  }

  private async take(request: FastifyRequest, tenantId: string, key: string): Promise<true> {
    const route = request.url.split('?', 1)[0]!;
    const hash = createHash('sha256').update(`${request.keyId}\n${request.method} ${request.url}\n`).update(request.bodyText ?? '').digest();
    const place = `idempotency_keys:${tenantId}:${key}`;
    const where = { tenantId_key: { tenantId, key } };
    if (!(await takeIdempotencyKey(this.db.client, tenantId, key, route, hash))) {
      const row = await this.db.client.idempotencyKey.findUnique({ where });
      if (row && !hash.equals(row.requestHash)) throw new Problem('idempotency_key_reused', `This key was first used for ${row.route} with another body or API key.`);
      if (!row || row.status === null || row.answer === null) throw new Problem('idempotency_key_in_use', 'The first request with this key has not ended yet.', { retryAfterSeconds: 1 });
      throw new KeptAnswer(row.status, this.sealer.open(row.answer, place));
    }
    const kept = (status: number, text: string) => ({ status, answer: this.sealer.seal(text, place) });
    request.keepAnswerIn = async (tx, status, answer) => {
      // Whoever took the key over after a minute may have been faster: then this one's work must not be done.
      const { count } = await tx.idempotencyKey.updateMany({ where: { tenantId, key, requestHash: new Uint8Array(hash), status: null }, data: kept(status, JSON.stringify(answer)) });
      if (count === 0) throw new Problem('idempotency_key_in_use', 'Another request with this key has been carried out meanwhile.', { retryAfterSeconds: 1 });
    };
    request.keepAnswer = (status, text) => this.outage.watch(async () => {
      if (status >= 200 && status < 300) await this.db.client.idempotencyKey.update({ where, data: kept(status, text) });
      else await this.db.client.idempotencyKey.deleteMany({ where: { tenantId, key, status: null } });
    });
    return true;
  }
}
