import { Controller, Post, Req, Res, SetMetadata } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import { ApiConsumes, ApiParam, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { StraightRoutes } from '../auth/index.js';
import { PUBLIC } from '../platform/index.js';
import { PublishedEvent } from './publish.dto.js';
import { Gate } from './gate/gate.js';

@ApiTags('Sources')
@SetMetadata(PUBLIC, true)
@Controller('in')
export class GateController {
  constructor(straight: StraightRoutes, private readonly gate: Gate) {
    straight.add('/in/:token', 202, this, 'receive');
  }

  /**
   * Where a provider posts. 202 means committed: it will not be lost. What the provider sends again is answered with the id of
   * the event that it first became. A request that holds several events is answered with a list under `data`.
   */
  @Post(':token')
  @RouteConfig({ takesBytes: true, captures: true })
  @ApiConsumes('*/*') @ApiParam({ name: 'token', description: 'The token of the source\'s URL.' })
  @ApiResponse({ status: 202, type: PublishedEvent })
  // The token from the request: a decorated argument would be sent through the pipes.
  async receive(@Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<string | object> {
    const { status, contentType, body } = await this.gate.take((request.params as { token: string }).token, request);
    void reply.status(status);
    if (contentType) void reply.type(contentType);
    return body;
  }
}
