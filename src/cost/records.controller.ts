import { Controller, HttpCode, Post, Req } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import { ApiBearerAuth, ApiBody, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { Allow } from '../auth/index.js';
import { InsertedRecords, InsertRecords } from './records/records.dto.js';
import { CostRecords } from './records/records.js';

@ApiTags('Cost')
@ApiBearerAuth()
@Controller('v1/cost/records')
export class CostRecordsController {
  constructor(private readonly records: CostRecords) {}

  /**
   * Stores up to 10,000 daily costs: all of them, or none. Records have no identity of their own, so sending them again stores them again,
   * unless both carry the same `Idempotency-Key`. The body may be four times as large as `MAX_BODY_BYTES`; of what is wrong, the first 100 places are named.
   */
  @Post() @HttpCode(201) @Allow('cost:write')
  @RouteConfig({ judgesBody: true, takesBulk: true })
  @ApiBody({ type: InsertRecords })
  insert(@Req() { caller, bodyText, body, keepAnswerIn }: FastifyRequest): Promise<InsertedRecords> {
    return this.records.insert(caller!, bodyText, body, async (tx, inserted) => keepAnswerIn?.(tx, 201, inserted));
  }
}
