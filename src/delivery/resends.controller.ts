import { Body, Controller, Get, HttpCode, Param, Post, Query, Req } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { Allow, type Caller, CurrentCaller } from '../auth/index.js';
import { derivedUuid, UuidParam } from '../platform/index.js';
import { ListResends, RecoverWebhook, ReplayEvents, ResendAnswer, ResendPage, ResendView } from './resends/resends.dto.js';
import { Resends } from './resends/resends.js';

const WebhookId = () => Param('webhook_id', new UuidParam('webhook'));
const ResendId = () => Param('resend_id', new UuidParam('resend'));

/** The id of the resend that a request under an `Idempotency-Key` makes: even a repeat after a crash between commit and answer finds it. */
export function resendIdOf({ headers, caller, url, bodyText }: FastifyRequest): string | undefined {
  const key = headers['idempotency-key'];
  return key === undefined ? undefined : derivedUuid(caller!.tenantId, key, url, bodyText);
}

@ApiTags('Resends')
@ApiBearerAuth()
@Controller('v1')
export class ResendsController {
  constructor(private readonly resends: Resends) {}

  /** Sends stored events to the webhook, each as a new delivery: a time span, or the events named. */
  @Post('webhooks/:webhook_id/replay') @HttpCode(202) @Allow('deliveries:write')
  replay(@CurrentCaller() caller: Caller, @WebhookId() id: string, @Body() body: ReplayEvents, @Req() request: FastifyRequest): Promise<ResendAnswer> {
    return this.resends.replay(caller, id, body, resendIdOf(request));
  }

  /** Sends to the webhook again what did not succeed since a time: its dead letters, and what it missed while it was disabled. */
  @Post('webhooks/:webhook_id/recover') @HttpCode(202) @Allow('deliveries:write')
  recover(@CurrentCaller() caller: Caller, @WebhookId() id: string, @Body() body: RecoverWebhook, @Req() request: FastifyRequest): Promise<ResendAnswer> {
    return this.resends.recover(caller, id, body, resendIdOf(request));
  }

  /** Lists redrives, replays and recoveries, newest first. */
  @Get('resends') @Allow('deliveries:read')
  list(@CurrentCaller() caller: Caller, @Query() { limit, cursor, status, kind }: ListResends): Promise<ResendPage> {
    return this.resends.list(caller, { status, kind }, limit, cursor);
  }

  /** One resend and how far it is. */
  @Get('resends/:resend_id') @Allow('deliveries:read')
  get(@CurrentCaller() caller: Caller, @ResendId() id: string): Promise<ResendView> {
    return this.resends.get(caller, id);
  }

  /** Stops a resend. What it has queued is still sent; nothing more is queued. */
  @Post('resends/:resend_id/cancel') @HttpCode(200) @Allow('deliveries:write')
  cancel(@CurrentCaller() caller: Caller, @ResendId() id: string): Promise<ResendView> {
    return this.resends.cancel(caller, id);
  }
}
