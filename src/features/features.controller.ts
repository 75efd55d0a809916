import { Body, Controller, Get, Param, Put } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import { Allow, type Caller, CurrentCaller } from '../auth/index.js';
import { FeatureList, type FeatureView, RollOut } from './features.dto.js';
import { Features } from './features.js';

@ApiTags('Operations')
@ApiBearerAuth()
@Controller('v1/operations/features')
export class FeaturesController {
  constructor(private readonly features: Features) {}

  /** Lists what can be rolled out by degrees, and how far it is, by name. */
  @Get() @Allow('operations:read')
  async list(): Promise<FeatureList> {
    return { data: await this.features.list() };
  }

  /** Rolls a feature out to a percentage of its subjects; every process does so within a second. Raising it only adds subjects. */
  @Put(':name') @Allow('operations:write')
  rollOut(@CurrentCaller() caller: Caller, @Param('name') name: string, @Body() body: RollOut): Promise<FeatureView> {
    return this.features.rollOut(caller, name, body);
  }
}
