import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Put, Query } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import { Allow, type Caller, CurrentCaller } from '../auth/index.js';
import { Database, PageQuery, UuidParam } from '../platform/index.js';
import { ChangeDestination, CreateDestination, DestinationPage, DestinationView, Probed, ReplaceDestination } from './destinations/destinations.dto.js';
import { Destinations } from './destinations/destinations.js';

const DestinationId = () => Param('destination_id', new UuidParam('destination'));

@ApiTags('Data lake')
@ApiBearerAuth()
@Controller('v1/datalake/destinations')
export class DestinationsController {
  constructor(private readonly db: Database, private readonly destinations: Destinations) {}

  /** Names a bucket, or a folder of the house's disk, that exports may be written to. */
  @Post() @Allow('datalake:write')
  async create(@CurrentCaller() caller: Caller, @Body() body: CreateDestination): Promise<DestinationView> {
    await this.destinations.check(body);
    return this.db.transaction((tx) => this.destinations.create(tx, caller, body));
  }

  /** Lists destinations, newest first. The house's own disk, which exports go to without a `destination_id`, is not among them. */
  @Get() @Allow('datalake:read')
  list(@CurrentCaller() caller: Caller, @Query() { limit, cursor }: PageQuery): Promise<DestinationPage> {
    return this.destinations.list(this.db.client, caller, limit, cursor);
  }

  @Get(':destination_id') @Allow('datalake:read')
  get(@CurrentCaller() caller: Caller, @DestinationId() id: string): Promise<DestinationView> {
    return this.destinations.get(this.db.client, caller, id);
  }

  /** Replaces a destination: fields left out get their defaults, credentials left out stay. */
  @Put(':destination_id') @Allow('datalake:write')
  async replace(@CurrentCaller() caller: Caller, @DestinationId() id: string, @Body() body: ReplaceDestination): Promise<DestinationView> {
    await this.destinations.check(body, await this.destinations.find(this.db.client, caller, id), true);
    return this.db.transaction((tx) => this.destinations.change(tx, caller, id, body, true));
  }

  /** Changes the fields given. */
  @Patch(':destination_id') @Allow('datalake:write')
  async change(@CurrentCaller() caller: Caller, @DestinationId() id: string, @Body() body: ChangeDestination): Promise<DestinationView> {
    await this.destinations.check(body, await this.destinations.find(this.db.client, caller, id));
    return this.db.transaction((tx) => this.destinations.change(tx, caller, id, body));
  }

  /** Deletes a destination that no export and no schedule refers to. Files that stand there stay. */
  @Delete(':destination_id') @HttpCode(204) @Allow('datalake:write')
  delete(@CurrentCaller() caller: Caller, @DestinationId() id: string): Promise<void> {
    return this.db.transaction((tx) => this.destinations.delete(tx, caller, id));
  }

  /** Writes, reads, lists and deletes a small file of its own, and says which step does not work and which permission it lacks. */
  @Post(':destination_id/test') @HttpCode(200) @Allow('datalake:write')
  test(@CurrentCaller() caller: Caller, @DestinationId() id: string): Promise<Probed> {
    return this.destinations.test(caller, id);
  }
}
