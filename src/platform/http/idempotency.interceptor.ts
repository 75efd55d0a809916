import { createHash } from 'node:crypto';
import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { catchError, concatMap, from, type Observable, of } from 'rxjs';
import { Sealer } from '../crypto/sealer.js';
import { Database } from '../db/database.js';
import { Problem } from '../errors/problem.js';
import { dropExpiredIdempotencyKeys, takeIdempotencyKey } from './idempotency.sql.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Whose request this is; set by the auth guard. */
    tenantId?: string;
  }
}

/**
 * `Idempotency-Key` on any POST: the first success is kept for 24 hours, sealed (it may hold a secret that is shown once),
 * and answered again to the same request. A failure releases the key, so that a corrected request can use it.
 */
@Injectable()
export class IdempotencyInterceptor implements NestInterceptor {
  constructor(private readonly db: Database, private readonly sealer: Sealer) {}

  async intercept(context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
    const http = context.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const key = request.headers['idempotency-key'];
    const tenantId = request.tenantId;
    if (key === undefined || request.method !== 'POST' || tenantId === undefined) return next.handle();
    if (typeof key !== 'string' || !/^[\x20-\x7e]{1,255}$/.test(key)) {
      throw Problem.invalid({ pointer: 'Idempotency-Key', detail: 'must be 1 to 255 printable ASCII characters' });
    }
    const reply = http.getResponse<FastifyReply>();
    const route = request.url.split('?', 1)[0]!;
    const hash = createHash('sha256').update(`${request.method} ${request.url}\n`).update(request.bodyText ?? '').digest();
    const place = `idempotency_keys:${tenantId}:${key}`;
    const where = { tenantId_key: { tenantId, key } };

    if (!(await takeIdempotencyKey(this.db.client, tenantId, key, route, hash))) {
      const row = await this.db.client.idempotencyKey.findUnique({ where });
      if (row && !hash.equals(row.requestHash)) throw new Problem('idempotency_key_reused', `This key was first used for ${row.route} with another body.`);
      if (!row || row.status === null || row.answer === null) throw new Problem('idempotency_key_in_use', 'The first request with this key has not ended yet.', { retryAfterSeconds: 1 });
      void reply.status(row.status).type('application/json').header('idempotent-replayed', 'true');
      return of(this.sealer.open(row.answer, place));
    }
    return next.handle().pipe(
      concatMap(async (answer: unknown) => {
        const text = typeof answer === 'string' ? answer : JSON.stringify(answer ?? null);
        await this.db.client.idempotencyKey.update({ where, data: { status: reply.statusCode, answer: this.sealer.seal(text, place) } });
        return answer;
      }),
      catchError((error: unknown) => from(this.release(where, error))),
    );
  }

  private async release(where: { tenantId_key: { tenantId: string; key: string } }, error: unknown): Promise<never> {
    await this.db.client.idempotencyKey.deleteMany({ where: { ...where.tenantId_key, status: null } });
    throw error;
  }

  @Interval(3_600_000)
  async dropExpired(): Promise<void> {
    await dropExpiredIdempotencyKeys(this.db.client);
  }
}
