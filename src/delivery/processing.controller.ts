import { Body, Controller, Get, HttpCode, Post } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import { Allow, type Caller, CurrentCaller } from '../auth/index.js';
import { type ProcessingView, SteerProcessing } from './processing/processing.dto.js';
import { Processing } from './processing/processing.js';

@ApiTags('Operations')
@ApiBearerAuth()
@Controller('v1/operations/processing')
export class ProcessingController {
  constructor(private readonly processing: Processing) {}

  /** Whether fan-out goes on, for all tenants, and what waits for it. */
  @Get() @Allow('operations:read')
  status(): Promise<ProcessingView> {
    return this.processing.status();
  }

  /**
   * Pauses or resumes fan-out for all tenants; every process obeys within a second, and one that starts anew too. Events go on being
   * stored and acknowledged, and wait; deliveries that are made already go on being sent.
   */
  @Post() @HttpCode(200) @Allow('operations:write')
  steer(@CurrentCaller() caller: Caller, @Body() body: SteerProcessing): Promise<ProcessingView> {
    return this.processing.steer(caller, body);
  }
}
