import { Body, Controller, Get, HttpCode, Param, Post, Query, Req } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { Allow, type Caller, CurrentCaller } from '../auth/index.js';
import { UuidParam } from '../platform/index.js';
import { DeadLetterPage, DeadLetterSummary, DeadLetterView, letterFilterOf, ListDeadLetters, SummarizeDeadLetters } from './history/dead-letters.dto.js';
import { DeadLetters } from './history/dead-letters.js';
import { resendIdOf } from './resends.controller.js';
import { RedriveDeadLetters, ResendAnswer } from './resends/resends.dto.js';
import { Resends } from './resends/resends.js';

@ApiTags('Dead letters')
@ApiBearerAuth()
@Controller('v1/dead-letters')
export class DeadLettersController {
  constructor(private readonly letters: DeadLetters, private readonly resends: Resends) {}

  /** Lists deliveries that were given up on, newest first, each with the reason in words. */
  @Get() @Allow('deliveries:read')
  list(@CurrentCaller() caller: Caller, @Query() query: ListDeadLetters): Promise<DeadLetterPage> {
    return this.letters.list(caller, letterFilterOf(query), query.limit, query.cursor);
  }

  /** Counts dead letters by webhook and class of the last failure. */
  @Get('summary') @Allow('deliveries:read')
  summarize(@CurrentCaller() caller: Caller, @Query() query: SummarizeDeadLetters): Promise<DeadLetterSummary> {
    return this.letters.summarize(caller, letterFilterOf(query));
  }

  /** One dead letter with all its attempts. */
  @Get(':delivery_id') @Allow('deliveries:read')
  get(@CurrentCaller() caller: Caller, @Param('delivery_id', new UuidParam('dead letter')) id: string): Promise<DeadLetterView> {
    return this.letters.get(caller, id);
  }

  /** Lets the key of an ordered webhook go on without the dead letter that it stands still behind. The dead letter stays, and can still be redriven. */
  @Post(':delivery_id/skip') @HttpCode(200) @Allow('deliveries:write')
  skip(@CurrentCaller() caller: Caller, @Param('delivery_id', new UuidParam('dead letter')) id: string): Promise<DeadLetterView> {
    return this.letters.skip(caller, id);
  }

  /** Sends dead letters again, chosen by filter or by id, as a resend; with `dry_run` only says how many. */
  @Post('redrive') @HttpCode(202) @Allow('deliveries:write')
  redrive(@CurrentCaller() caller: Caller, @Body() body: RedriveDeadLetters, @Req() request: FastifyRequest): Promise<ResendAnswer> {
    return this.resends.redrive(caller, body, resendIdOf(request));
  }
}
