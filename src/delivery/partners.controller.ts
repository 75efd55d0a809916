import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiBearerAuth, ApiBody, ApiTags } from '@nestjs/swagger';
import { Allow, type Caller, CurrentCaller } from '../auth/index.js';
import { Database, PageQuery, UuidParam } from '../platform/index.js';
import { CancelSubscription, ChangePartner, CreatePartner, ListSubscriptions, PartnerPage, PartnerView, RejectSubscription, RequestSubscription, SubscriptionPage, SubscriptionView } from './partners/partners.dto.js';
import { Partners } from './partners/partners.js';
import { Subscriptions } from './partners/subscriptions.js';

const PartnerId = () => Param('partner_id', new UuidParam('partner'));
const SubscriptionId = () => Param('subscription_id', new UuidParam('subscription'));

@ApiTags('Partners')
@ApiBearerAuth()
@Controller('v1/partners')
export class PartnersController {
  constructor(private readonly db: Database, private readonly partners: Partners) {}

  /** Makes a partner: somebody outside who is to receive events. */
  @Post() @Allow('partners:write')
  create(@CurrentCaller() caller: Caller, @Body() body: CreatePartner): Promise<PartnerView> {
    return this.db.transaction((tx) => this.partners.create(tx, caller, body));
  }

  /** Lists partners, newest first. */
  @Get() @Allow('partners:read')
  list(@CurrentCaller() caller: Caller, @Query() { limit, cursor }: PageQuery): Promise<PartnerPage> {
    return this.partners.list(this.db.client, caller, limit, cursor);
  }

  /** One partner. */
  @Get(':partner_id') @Allow('partners:read')
  get(@CurrentCaller() caller: Caller, @PartnerId() id: string): Promise<PartnerView> {
    return this.partners.get(this.db.client, caller, id);
  }

  /** Changes the fields given. */
  @Patch(':partner_id') @Allow('partners:write')
  change(@CurrentCaller() caller: Caller, @PartnerId() id: string, @Body() body: ChangePartner): Promise<PartnerView> {
    return this.db.transaction((tx) => this.partners.change(tx, caller, id, body));
  }

  /** Deletes a partner without webhooks and open subscriptions. */
  @Delete(':partner_id') @HttpCode(204) @Allow('partners:write')
  delete(@CurrentCaller() caller: Caller, @PartnerId() id: string): Promise<void> {
    return this.db.transaction((tx) => this.partners.delete(tx, caller, id));
  }
}

@ApiTags('Subscriptions')
@ApiBearerAuth()
@Controller('v1/subscriptions')
export class SubscriptionsController {
  constructor(private readonly db: Database, private readonly subscriptions: Subscriptions) {}

  /** Asks for event types at a partner's webhook. Nothing is sent by it until another key approves. */
  @Post() @Allow('subscriptions:write')
  request(@CurrentCaller() caller: Caller, @Body() body: RequestSubscription): Promise<SubscriptionView> {
    return this.db.transaction((tx) => this.subscriptions.request(tx, caller, body));
  }

  /** Lists subscriptions, newest first. */
  @Get() @Allow('subscriptions:read')
  list(@CurrentCaller() caller: Caller, @Query() query: ListSubscriptions): Promise<SubscriptionPage> {
    return this.subscriptions.list(this.db.client, caller, query);
  }

  /** One subscription, with who decided what. */
  @Get(':subscription_id') @Allow('subscriptions:read')
  get(@CurrentCaller() caller: Caller, @SubscriptionId() id: string): Promise<SubscriptionView> {
    return this.subscriptions.get(this.db.client, caller, id);
  }

  /** Approves a pending subscription. Not by the key that requested it. */
  @Post(':subscription_id/approve') @HttpCode(200) @Allow('subscriptions:approve')
  approve(@CurrentCaller() caller: Caller, @SubscriptionId() id: string): Promise<SubscriptionView> {
    return this.db.transaction((tx) => this.subscriptions.approve(tx, caller, id));
  }

  /** Turns a pending subscription down. */
  @Post(':subscription_id/reject') @HttpCode(200) @Allow('subscriptions:approve')
  reject(@CurrentCaller() caller: Caller, @SubscriptionId() id: string, @Body() { reason }: RejectSubscription): Promise<SubscriptionView> {
    return this.db.transaction((tx) => this.subscriptions.reject(tx, caller, id, reason));
  }

  /** Withdraws a pending subscription or ends an approved one. */
  @Post(':subscription_id/cancel') @HttpCode(200) @ApiBody({ type: CancelSubscription, required: false }) @Allow('subscriptions:write')
  cancel(@CurrentCaller() caller: Caller, @SubscriptionId() id: string, @Body() { reason }: CancelSubscription): Promise<SubscriptionView> {
    return this.db.transaction((tx) => this.subscriptions.cancel(tx, caller, id, reason));
  }
}
