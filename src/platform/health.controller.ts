import { Controller, Get, Res, SetMetadata } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Health } from './health.js';
import { Metrics } from './observe/metrics.js';

/** Set on routes that answer without a key. */
export const PUBLIC = 'lakehook:public';

/** For machines that watch this process. They carry no tenant data and need no key. */
@ApiExcludeController()
@SetMetadata(PUBLIC, true)
@Controller()
export class HealthController {
  constructor(private readonly health: Health, private readonly metrics: Metrics) {}

  /** The process runs. */
  @Get('livez')
  live(): { status: 'ok' } {
    return { status: 'ok' };
  }

  /** The process can keep its promises: 200, or 503 with the failing check. */
  @Get('readyz')
  async ready(@Res({ passthrough: true }) reply: FastifyReply): Promise<{ status: string; checks: Record<string, string> }> {
    const { ready, checks } = await this.health.report();
    void reply.status(ready ? 200 : 503);
    return { status: ready ? 'ok' : 'unavailable', checks };
  }

  @Get('metrics')
  async prometheus(@Res({ passthrough: true }) reply: FastifyReply): Promise<string> {
    void reply.type(this.metrics.registry.contentType);
    return this.metrics.registry.metrics();
  }
}
