import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Put, Query, Req } from '@nestjs/common';
import { ApiBearerAuth, ApiBody, ApiExtraModels, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { Allow, type Caller, CurrentCaller } from '../auth/index.js';
import { readEvent } from '../events/index.js';
import { Database, membersOf, PageQuery, Problem, UuidParam } from '../platform/index.js';
import { FilterTrials } from './fan-out/filter-trials.js';
import { FilterTrial, TryFilter } from './filters/filters.dto.js';
import { DeliveryPage, filterOf } from './history/deliveries.dto.js';
import { Deliveries } from './history/deliveries.js';
import { HealthView } from './history/health.dto.js';
import { WebhookHealth } from './history/health.js';
import { Subscriptions } from './partners/subscriptions.js';
import { ChangeWebhook, CreatedWebhook, CreateWebhook, ListWebhookDeliveries, Preview, PreviewWebhook, ReplaceWebhook, RetryPolicyView, RotatedSecret, RotateSecret, SecretPage, SignatureContractView, TestResult, TestWebhook, WebhookPage, WebhookView } from './webhooks/webhooks.dto.js';
import { Secrets } from './webhooks/secrets.js';
import { Forms } from './webhooks/forms.js';
import { Webhooks } from './webhooks/webhooks.js';

const WebhookId = () => Param('webhook_id', new UuidParam('webhook'));

@ApiTags('Webhooks')
@ApiBearerAuth()
@ApiExtraModels(RetryPolicyView, SignatureContractView)
@Controller('v1/webhooks')
export class WebhooksController {
  constructor(private readonly db: Database, private readonly webhooks: Webhooks, private readonly forms: Forms, private readonly deliveries: Deliveries, private readonly secrets: Secrets, private readonly trials: FilterTrials, private readonly health: WebhookHealth, private readonly subscriptions: Subscriptions) {}

  /** Registers a webhook. Its secret is shown in this answer only. */
  @Post() @Allow('webhooks:write')
  async create(@CurrentCaller() caller: Caller, @Body() body: CreateWebhook): Promise<CreatedWebhook> {
    await this.webhooks.check(body);
    return this.db.transaction((tx) => this.webhooks.create(tx, caller, body));
  }

  /** Lists webhooks, newest first. */
  @Get() @Allow('webhooks:read')
  list(@CurrentCaller() caller: Caller, @Query() { limit, cursor }: PageQuery): Promise<WebhookPage> {
    return this.webhooks.list(this.db.client, caller, limit, cursor);
  }

  /** One webhook, with its status and circuit. */
  @Get(':webhook_id') @Allow('webhooks:read')
  get(@CurrentCaller() caller: Caller, @WebhookId() id: string): Promise<WebhookView> {
    return this.webhooks.get(this.db.client, caller, id);
  }

  /** Replaces a webhook: fields left out get their defaults. */
  @Put(':webhook_id') @Allow('webhooks:write')
  async replace(@CurrentCaller() caller: Caller, @WebhookId() id: string, @Body() body: ReplaceWebhook): Promise<WebhookView> {
    await this.webhooks.check(body, await this.webhooks.find(this.db.client, caller, id));
    return this.db.transaction((tx) => this.webhooks.replace(tx, caller, id, body));
  }

  /** Changes the fields given. */
  @Patch(':webhook_id') @Allow('webhooks:write')
  async change(@CurrentCaller() caller: Caller, @WebhookId() id: string, @Body() body: ChangeWebhook): Promise<WebhookView> {
    await this.webhooks.check(body, await this.webhooks.find(this.db.client, caller, id));
    return this.db.transaction((tx) => this.webhooks.change(tx, caller, id, body));
  }

  /** Deletes a webhook and cancels what waits for it, and its subscriptions. */
  @Delete(':webhook_id') @HttpCode(204) @Allow('webhooks:write')
  async delete(@CurrentCaller() caller: Caller, @WebhookId() id: string): Promise<void> {
    await this.db.transaction(async (tx) => {
      await this.subscriptions.cancelAt(tx, caller, id);
      await this.webhooks.delete(tx, caller, id);
    });
    await this.deliveries.cancelWaiting(id);
  }

  /** Sends an example event to the webhook, once and right now, and answers what came of it. */
  @Post(':webhook_id/test') @HttpCode(200) @ApiBody({ type: TestWebhook, required: false }) @Allow('webhooks:write')
  test(@CurrentCaller() caller: Caller, @WebhookId() id: string, @Body() { event_type }: TestWebhook): Promise<TestResult> {
    return this.deliveries.test(caller, id, event_type);
  }

  /** Says whether an event would pass the webhook's filter, or the one given, and which clause refuses it. Sends nothing. */
  @Post(':webhook_id/filter/test') @HttpCode(200) @Allow('webhooks:read')
  tryFilter(@CurrentCaller() caller: Caller, @WebhookId() id: string, @Body() body: TryFilter): Promise<FilterTrial> {
    return this.trials.try(caller, id, body);
  }

  /** Shows what the webhook would be sent for an example event, or for the event given. Sends and stores nothing. */
  @Post(':webhook_id/preview') @HttpCode(200) @ApiBody({ type: PreviewWebhook, required: false }) @Allow('webhooks:read')
  async preview(@CurrentCaller() caller: Caller, @WebhookId() id: string, @Body() { event_type, event }: PreviewWebhook, @Req() { bodyText }: FastifyRequest): Promise<Preview> {
    const webhook = await this.webhooks.find(this.db.client, caller, id);
    if (!event) return this.forms.preview(webhook, event_type ?? 'webhook.test');
    if (event_type !== undefined) throw Problem.invalid({ pointer: '/event_type', detail: 'is not taken beside `event`, which has a type of its own' });
    // From the text, so that numbers look as they would when published.
    const { start, end } = membersOf(bodyText!).get('event')!;
    const text = bodyText!.slice(start, end);
    const read = readEvent(text, JSON.parse(text));
    if ('faults' in read) throw Problem.invalid(...read.faults.map(({ pointer, detail }) => ({ pointer: `/event${pointer}`, detail })));
    return this.forms.preview(webhook, read);
  }

  /** Makes a new secret, or takes yours; the previous ones go on signing beside it for `overlap_hours`. */
  @Post(':webhook_id/rotate-secret') @HttpCode(200) @ApiBody({ type: RotateSecret, required: false }) @Allow('webhooks:write')
  rotateSecret(@CurrentCaller() caller: Caller, @WebhookId() id: string, @Body() body: RotateSecret): Promise<RotatedSecret> {
    return this.db.transaction((tx) => this.secrets.rotate(tx, caller, id, body));
  }

  /** Lists the live secrets, newest first, without their values. */
  @Get(':webhook_id/secrets') @Allow('webhooks:read')
  listSecrets(@CurrentCaller() caller: Caller, @WebhookId() id: string): Promise<SecretPage> {
    return this.secrets.list(this.db.client, caller, id);
  }

  /** Ends a secret at once; the last live one stays. */
  @Delete(':webhook_id/secrets/:secret_id') @HttpCode(204) @Allow('webhooks:write')
  deleteSecret(@CurrentCaller() caller: Caller, @WebhookId() id: string, @Param('secret_id', new UuidParam('secret')) secretId: string): Promise<void> {
    return this.db.transaction((tx) => this.secrets.delete(tx, caller, id, secretId));
  }

  /** How the webhook fared in the last 24 hours: failures by class, each with an example and a suggestion. */
  @Get(':webhook_id/health') @Allow('deliveries:read')
  getHealth(@CurrentCaller() caller: Caller, @WebhookId() id: string): Promise<HealthView> {
    return this.health.of(caller, id);
  }

  /** Lists the deliveries of a webhook, newest first. */
  @Get(':webhook_id/deliveries') @Allow('deliveries:read')
  async listDeliveries(@CurrentCaller() caller: Caller, @WebhookId() id: string, @Query() query: ListWebhookDeliveries): Promise<DeliveryPage> {
    await this.webhooks.find(this.db.client, caller, id);
    return this.deliveries.list(caller, { ...filterOf(query), webhookId: id }, query.limit, query.cursor);
  }
}
