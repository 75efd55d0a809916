import { applyDecorators } from '@nestjs/common';
import { ApiExtraModels, ApiProperty, ApiPropertyOptional, getSchemaPath, PartialType } from '@nestjs/swagger';
import { ArrayMaxSize, ArrayMinSize, ArrayUnique, IsArray, IsBoolean, IsIn, IsInt, IsObject, IsOptional, IsString, IsUUID, Length, Matches, Max, MaxLength, Min } from 'class-validator';
import { EVENT_TYPE } from '../../events/index.js';
import { AsSent, IfGiven, TimePageQuery } from '../../platform/index.js';
import { AUTH_KINDS, WebhookCertificate, WebhookTls } from '../credentials/credentials.dto.js';
import { EVENT_PATTERN } from '../fan-out/match.js';
import { FORMATS } from '../shapes/options.js';
import { ORDER_PATH } from '../order/order-key.js';
import type { SignatureContract } from '../signing/contract.js';

const OwnSecret = (): PropertyDecorator => applyDecorators(IfGiven(), IsString(), Length(8, 128), Matches(/^[\x20-\x7e]*$/, { message: 'must be printable ASCII' }));

export class RetryPolicyView {
  /** Attempts after the first, 0 to 20. */
  @ApiProperty({ default: 3 })
  max_retries: number;
  /** Nominal wait before the first retry. */
  @ApiProperty({ default: 5 })
  base_seconds: number;
  /** What each further wait is multiplied by. */
  @ApiProperty({ default: 6 })
  factor: number;
  /** Longest nominal wait. */
  @ApiProperty({ default: 180 })
  max_seconds: number;
  /** Wait a random time up to the nominal one. */
  @ApiProperty({ default: true })
  jitter: boolean;
}

export class RateLimitView {
  /** Attempts per second on average, 0.001 to 10,000. */
  per_second: number;
  /** Attempts at once, 1 to 100,000. One second's worth, at least 1, when left out. */
  @ApiPropertyOptional()
  burst: number;
}

/** How the flow to a webhook goes. */
export class CircuitView {
  /** `open`: it did little but fail, so its deliveries wait, at no cost to their retries. `half_open`: one of them is under way to see. */
  @ApiProperty({ enum: ['closed', 'open', 'half_open'] })
  state: string;
  /** Since when nothing has succeeded; null when the last attempt did. */
  failing_since: string | null;
  opened_at: string | null;
  next_probe_at: string | null;
  /** Until when a Retry-After of the receiver holds all deliveries. */
  held_until: string | null;
  last_error: string | null;
}

export class SignatureContractView implements SignatureContract {
  /** The header's name. */
  @ApiProperty({ example: 'Stripe-Signature' })
  header: string;
  /** The header's value, of `{timestamp} {timestamp_ms} {id} {event_type} {delivery_id} {signature}`. A part in square brackets repeats per live secret, newest first; elsewhere `{signature}` is by the newest. */
  @ApiProperty({ example: 't={timestamp}[,v1={signature}]' })
  template: string;
  /** The text that is signed: the same fields but for `{signature}`, `{body}`, and `{header:<name>}` for a header that is sent. */
  @ApiProperty({ default: '{body}' })
  signed: string;
  @ApiProperty({ enum: ['sha256', 'sha1', 'sha512'], default: 'sha256' })
  algorithm: 'sha256' | 'sha1' | 'sha512';
  @ApiProperty({ enum: ['hex', 'base64'], default: 'hex' })
  encoding: 'hex' | 'base64';
  /** Stands between repetitions of the part in brackets. */
  @ApiProperty({ default: '' })
  separator: string;
  /** What of the secret is the key: the bytes that `whsec_` is followed by in base64, or all of it as text. */
  @ApiProperty({ enum: ['decoded', 'text'], default: 'decoded' })
  key: 'decoded' | 'text';
  /** Further headers of the contract: templates without `{signature}`. */
  @ApiProperty({ type: 'object', additionalProperties: { type: 'string' }, default: {} })
  headers: Record<string, string>;
}

export class FormatOptionsView {
  /** `template`: a Liquid template over `event_id`, `event_type`, `timestamp`, `data` and `metadata`. Required there. */
  template?: string;
  /** `template`: what it makes. `application/json` when absent. */
  content_type?: string;
  /** `pagerduty`: the integration key of an Events API v2 integration. Required there, sealed at rest and masked in answers. */
  routing_key?: string;
  /** `pagerduty`: the severity of every alert, instead of the event's. */
  @ApiPropertyOptional({ enum: ['critical', 'error', 'warning', 'info'] })
  severity?: string;
  /** Chats and `pagerduty`: where the message leads. `{event_id}` and `{event_type}` in it are filled in. */
  link_url?: string;
  /** `cloudevents`: the attribute `source` (`/lakehook` when absent). `pagerduty`: the affected system (`Lakehook`). */
  source?: string;
}
const oneOfAuth = { oneOf: AUTH_KINDS.map((kind) => ({ $ref: getSchemaPath(kind) })) };

/** The fields of a webhook that its owner sets. */
@ApiExtraModels(...AUTH_KINDS)
export class ReplaceWebhook {
  /** Where to send: http or https, a public address unless the operator named an exception. */
  @ApiProperty({ example: 'https://example.com/hooks' })
  @IsString() @Length(1, 2048)
  url: string;

  /** For people. */
  @IfGiven() @IsString() @MaxLength(1000) @Matches(/^[^\0]*$/, { message: 'must not hold \\u0000' })
  description: string = '';

  /** Event types to receive: `*`, exact types, or prefixes such as `cost.*`. */
  @IfGiven() @IsArray() @ArrayMinSize(1) @ArrayMaxSize(100) @ArrayUnique()
  @Matches(EVENT_PATTERN, { each: true, message: 'must hold `*`, event types or `prefix.*` patterns' })
  events: string[] = ['*'];

  /** Headers to send with every delivery. */
  @ApiProperty({ type: 'object', additionalProperties: { type: 'string' }, default: {} })
  @IfGiven() @AsSent() @IsObject()
  headers: Record<string, string> = {};

  /** Headers to send whose values are never shown. A mask sent back keeps what is stored. */
  @ApiProperty({ type: 'object', additionalProperties: { type: 'string' }, default: {} })
  @IfGiven() @AsSent() @IsObject()
  secret_headers: Record<string, string> = {};

  /** What the `authorization` header is made of. Secrets are never shown; a mask sent back keeps what is stored. */
  @ApiProperty({ ...oneOfAuth, default: { type: 'none' } })
  @IfGiven() @AsSent() @IsObject()
  auth: object = { type: 'none' };

  /** A client certificate to show to the receiver, and authorities of one's own to trust. */
  @ApiProperty({ type: WebhookTls, default: {} })
  @IfGiven() @AsSent() @IsObject()
  tls: object = {};

  /** Conditions on `data`, `metadata` and `event_type` that an event must meet, such as `{"data.amount": {"$gte": 100}}`. Null for none. */
  @ApiProperty({ type: 'object', additionalProperties: true, nullable: true, default: null })
  @IsOptional() @AsSent() @IsObject()
  filter: Record<string, unknown> | null = null;

  /** `false` pauses the webhook: deliveries are still made for it and wait. `true` also re-enables a disabled one. */
  @IfGiven() @IsBoolean()
  is_active: boolean = true;

  /** When to try again after a failure: fields left out are as in the default policy; `"durable"` tries for about three days. */
  @ApiPropertyOptional({ oneOf: [{ $ref: '#/components/schemas/RetryPolicyView' }, { type: 'string', enum: ['durable'] }] })
  @IsOptional() @AsSent()
  retry_policy?: unknown;

  /** How bodies look. */
  @ApiProperty({ enum: FORMATS, default: 'lakehook' })
  @IfGiven() @IsIn(FORMATS, { message: `must be one of ${FORMATS.join(', ')}` })
  format: string = 'lakehook';

  /** What the format is to be told; each accepts only its own. Set as a whole; a change of `format` alone starts with none. */
  @ApiProperty({ type: () => FormatOptionsView, default: {} })
  @IfGiven() @AsSent() @IsObject()
  format_options: Record<string, unknown> = {};

  /** How many attempts may be made, over all processes. None, when null. */
  @ApiPropertyOptional({ type: RateLimitView, nullable: true })
  @IsOptional() @AsSent()
  rate_limit?: unknown;

  /** Deliver in the order of the log: strictly, per `order_key`. One delivery per key is under way at a time. */
  @IfGiven() @IsBoolean()
  ordered: boolean = false;

  /** Where the key of an ordered webhook stands in the event, such as `data.account_id`. One line for all events, when null. */
  @ApiPropertyOptional({ type: 'string', nullable: true, default: null })
  @IsOptional() @Matches(ORDER_PATH, { message: 'must be a path into data or metadata, such as data.account_id' })
  order_key: string | null = null;

  /** When a delivery of an ordered webhook is given up: its key stands still until it is redriven or skipped (`block`), or goes on without it (`skip`). */
  @IfGiven() @IsIn(['block', 'skip'])
  on_exhausted: string = 'block';

  /** Hours of nothing but failures after which the webhook is disabled; 0 for never. */
  @IfGiven() @IsInt() @Min(0) @Max(8760)
  disable_after_hours: number = 120;

  /** Signature schemes of Standard Webhooks: `v1` by the webhook's secrets, `v1a` by the tenant's key pair. */
  @ApiProperty({ enum: ['v1', 'v1a'], isArray: true, default: ['v1'] })
  @IfGiven() @IsArray() @ArrayMinSize(1) @ArrayUnique() @IsIn(['v1', 'v1a'], { each: true, message: 'must hold `v1`, `v1a` or both' })
  signing: string[] = ['v1'];

  /** An older signature contract to keep beside these; null for none. */
  @ApiProperty({ oneOf: [{ $ref: '#/components/schemas/SignatureContractView' }], nullable: true, default: null })
  @IsOptional() @AsSent()
  signature: unknown = null;
}

export class CreateWebhook extends ReplaceWebhook {
  /** A signing secret of your own. One is made, when absent. */
  @OwnSecret()
  secret?: string;

  /** The partner it belongs to. Such a webhook receives only what approved subscriptions name. It cannot be changed later. */
  @IfGiven() @IsUUID()
  partner_id?: string;
}

export class ChangeWebhook extends PartialType(ReplaceWebhook, { skipNullProperties: false }) {
  constructor() {
    super();
    // PartialType copies the defaults too: a change of one field would reset all others to them.
    for (const name of Object.keys(this)) Reflect.deleteProperty(this, name);
  }
}

export class WebhookView {
  webhook_id: string;
  /** Whose it is; null for a webhook of your own. */
  partner_id: string | null;
  url: string;
  description: string;
  events: string[];
  @ApiProperty({ type: 'object', additionalProperties: { type: 'string' } })
  headers: Record<string, string>;
  /** Every value masked. */
  @ApiProperty({ type: 'object', additionalProperties: { type: 'string' } })
  secret_headers: Record<string, string>;
  /** Secrets masked. */
  @ApiProperty(oneOfAuth)
  auth: object;
  /** The key masked. */
  @ApiProperty({ type: WebhookTls })
  tls: object;
  /** What `tls` holds. */
  tls_certificates: WebhookCertificate[];
  @ApiProperty({ type: 'object', additionalProperties: true, nullable: true })
  filter: Record<string, unknown> | null;
  is_active: boolean;
  /** `paused` and `open_circuit`: deliveries are made and wait. `disabled`: none are made. */
  @ApiProperty({ enum: ['active', 'paused', 'disabled', 'open_circuit'] })
  status: string;
  disabled_reason: string | null;
  /** The last four characters of the newest secret. */
  secret_hint: string;
  retry_policy: RetryPolicyView;
  @ApiProperty({ enum: FORMATS })
  format: string;
  format_options: FormatOptionsView;
  @ApiProperty({ type: RateLimitView, nullable: true })
  rate_limit: RateLimitView | null;
  ordered: boolean;
  order_key: string | null;
  @ApiProperty({ enum: ['block', 'skip'] })
  on_exhausted: string;
  disable_after_hours: number;
  circuit: CircuitView;
  @ApiProperty({ enum: ['v1', 'v1a'], isArray: true })
  signing: string[];
  @ApiProperty({ type: () => SignatureContractView, nullable: true })
  signature: SignatureContract | null;
  created_at: string;
  updated_at: string;
}

export class CreatedWebhook extends WebhookView {
  /** The signing secret. It is shown here and at rotation, and never again. */
  secret: string;
}

export class WebhookPage {
  data: WebhookView[];
  next_cursor: string | null;
}

export class TestWebhook {
  /** The type of event to send an example of. */
  @IfGiven() @IsString() @Matches(EVENT_TYPE, { message: 'must be an event type' })
  event_type: string = 'webhook.test';
}

export class PreviewWebhook {
  /** The type of event to show an example of. `webhook.test`, when neither is given. */
  @IfGiven() @IsString() @Matches(EVENT_TYPE, { message: 'must be an event type' })
  event_type?: string;

  /** The event to show, as it would be published. Nothing is stored. */
  @ApiPropertyOptional({ type: 'object', additionalProperties: true, example: { event_type: 'order.created', data: { total: 12.5 } } })
  @IfGiven() @AsSent() @IsObject()
  event?: object;
}

export class Preview {
  content_type: string;
  /** The text that would be sent. A routing key is masked in it. */
  body: string;
}

export class TestResult {
  delivery_id: string;
  @ApiProperty({ enum: ['succeeded', 'dead'] })
  status: string;
  response_status: number | null;
  duration_ms: number;
  error: string | null;
}

export class RotateSecret {
  /** How long the previous secrets go on signing beside the new one. */
  @IfGiven() @IsInt() @Min(0) @Max(720)
  overlap_hours: number = 24;

  /** A secret of your own. One is made, when absent. */
  @OwnSecret()
  secret?: string;
}

export class SecretView {
  secret_id: string;
  /** Its last four characters. */
  hint: string;
  created_at: string;
  /** When it stops signing; null for the current one. */
  expires_at: string | null;
}

export class SecretPage {
  data: SecretView[];
  next_cursor: string | null;
}

export class RotatedSecret {
  webhook_id: string;
  /** The new secret. It is shown here and never again. */
  secret: string;
  /** When the previous secrets stop signing. */
  previous_expires_at: string;
}

export class ListWebhookDeliveries extends TimePageQuery {
  @ApiPropertyOptional({ enum: ['pending', 'succeeded', 'retrying', 'dead', 'cancelled'] })
  @IsOptional() @Matches(/^(pending|succeeded|retrying|dead|cancelled)$/, { message: 'must be one of pending, succeeded, retrying, dead, cancelled' })
  status?: string;

  @IsOptional() @IsString() @MaxLength(255)
  event_type?: string;
}
