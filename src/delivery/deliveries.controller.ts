import { Controller, Get, Header, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { Allow, type Caller, CurrentCaller } from '../auth/index.js';
import { Catalogues, Events, viewOf } from '../events/index.js';
import { Database, UuidParam } from '../platform/index.js';
import { DeliveryPage, DeliveryView, EventWithDeliveries, filterOf, ListDeliveries } from './history/deliveries.dto.js';
import { Deliveries } from './history/deliveries.js';

const DeliveryId = () => Param('delivery_id', new UuidParam('delivery'));

@ApiTags('Deliveries')
@ApiBearerAuth()
@Controller('v1/deliveries')
export class DeliveriesController {
  constructor(private readonly deliveries: Deliveries) {}

  /** Lists deliveries, newest first. */
  @Get() @Allow('deliveries:read')
  list(@CurrentCaller() caller: Caller, @Query() query: ListDeliveries): Promise<DeliveryPage> {
    return this.deliveries.list(caller, filterOf(query), query.limit, query.cursor);
  }

  /** One delivery with all its attempts. */
  @Get(':delivery_id') @Allow('deliveries:read')
  get(@CurrentCaller() caller: Caller, @DeliveryId() id: string): Promise<DeliveryView> {
    return this.deliveries.get(caller, id);
  }

  /** Attempts a delivery once more, now: one that waits is hastened, one that has ended is sent again. */
  @Post(':delivery_id/retry') @HttpCode(202) @Allow('deliveries:write')
  retry(@CurrentCaller() caller: Caller, @DeliveryId() id: string): Promise<DeliveryView> {
    return this.deliveries.retry(caller, id);
  }
}

/** Stands here and not with the other event routes because deliveries lie downstream of the log. */
@ApiTags('Events')
@ApiBearerAuth()
@Controller('v1/events')
export class EventHistoryController {
  constructor(private readonly db: Database, private readonly events: Events, private readonly deliveries: Deliveries, private readonly catalogues: Catalogues) {}

  /** One event with its deliveries. Without the scope `events:read_sensitive`, sensitive fields are masked. */
  @Get(':event_id') @Header('content-type', 'application/json; charset=utf-8') @Allow('events:read')
  @ApiOkResponse({ type: EventWithDeliveries })
  async get(@CurrentCaller() caller: Caller, @Param('event_id') eventId: string): Promise<string> {
    const view = await this.catalogues.viewFor(caller);
    const event = view(await this.events.find(this.db.client, caller.tenantId, eventId));
    const { data } = await this.deliveries.list(caller, { eventId, from: event.recorded_at }, 200);
    return viewOf(event, `,"deliveries":${JSON.stringify(data)}`);
  }
}
