import { ApiProperty, ApiPropertyOptional, PartialType } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { ArrayMaxSize, ArrayMinSize, ArrayUnique, IsArray, IsBoolean, IsInt, IsObject, IsOptional, IsString, IsUUID, Length, Matches, Max, Min, ValidateIf, ValidateNested } from 'class-validator';
import { IfGiven, IsTime, PageQuery } from '../../platform/index.js';
import { EVENT_PATTERN } from '../fan-out/match.js';

const STATUSES = ['queued', 'running', 'succeeded', 'cancelled', 'failed'];
const KINDS = ['redrive', 'replay', 'recover'];

/** What every resend can be told. */
class ResendOptions {
  /** Only say what would be sent; nothing is stored. */
  @IfGiven() @IsBoolean()
  dry_run: boolean = false;

  /** Deliveries per second at most, over the whole life of the resend. Unset: as fast as the receivers take them. */
  @IfGiven() @IsInt() @Min(1) @Max(10_000)
  rate_per_second?: number;
}

export class DeadLetterChoice {
  @IfGiven() @IsUUID()
  webhook_id?: string;

  @IfGiven() @IsString() @Length(1, 255)
  event_type?: string;

  /** Of the last attempt, such as `http_5xx` or `timeout`. */
  @IfGiven() @IsString() @Length(1, 100)
  error_class?: string;

  @IfGiven() @IsString() @Length(1, 200)
  event_id?: string;

  /** Died at or after (RFC 3339). */
  @IfGiven() @IsTime()
  from?: string;

  /** Died before (RFC 3339). */
  @IfGiven() @IsTime()
  to?: string;
}

export class RedriveDeadLetters extends ResendOptions {
  /** Which dead letters; `{}` chooses all. Give this or `delivery_ids`. */
  @ValidateIf((body: RedriveDeadLetters) => body.delivery_ids === undefined || body.filter !== undefined)
  @IsObject({ message: 'must be an object, or delivery_ids must be given' }) @ValidateNested() @Type(() => DeadLetterChoice)
  filter?: DeadLetterChoice;

  /** The dead letters with these delivery ids. */
  @IfGiven() @IsArray() @ArrayMinSize(1) @ArrayMaxSize(1000) @IsUUID(undefined, { each: true })
  delivery_ids?: string[];
}

export class ReplayEvents extends ResendOptions {
  /** Events recorded at or after (RFC 3339). Give this or `event_ids`. */
  @ValidateIf((body: ReplayEvents) => body.event_ids === undefined || body.from !== undefined)
  @IsTime({ message: 'must be an RFC 3339 time with a zone, or event_ids must be given' })
  from?: string;

  /** Events recorded before (RFC 3339). Now, when absent. */
  @IfGiven() @IsTime()
  to?: string;

  /** The events with these ids, whatever the webhook's `events` and filter say. */
  @IfGiven() @IsArray() @ArrayMinSize(1) @ArrayMaxSize(1000) @IsString({ each: true }) @Length(1, 200, { each: true })
  event_ids?: string[];

  /** Only events of these types or `prefix.*` patterns, beside the webhook's own. */
  @IfGiven() @IsArray() @ArrayMinSize(1) @ArrayMaxSize(100) @ArrayUnique()
  @Matches(EVENT_PATTERN, { each: true, message: 'must hold `*`, event types or `prefix.*` patterns' })
  event_types?: string[];
}

export class RecoverWebhook extends ResendOptions {
  /** Everything since then that did not succeed (RFC 3339). */
  @IsTime()
  since: string;
}

export class ListResends extends PageQuery {
  @ApiPropertyOptional({ enum: STATUSES })
  @IsOptional() @Matches(/^(queued|running|succeeded|cancelled|failed)$/, { message: `must be one of ${STATUSES.join(', ')}` })
  status?: string;

  @ApiPropertyOptional({ enum: KINDS })
  @IsOptional() @Matches(/^(redrive|replay|recover)$/, { message: `must be one of ${KINDS.join(', ')}` })
  kind?: string;
}

export class LeftOutView {
  @ApiProperty({ enum: ['webhook_disabled', 'webhook_deleted', 'past_retention', 'not_a_dead_letter', 'event_not_found'] })
  reason: string;
  count: number;
  /** Where it is about one. */
  webhook_id?: string;
}

export class ResendView {
  resend_id: string;
  @ApiProperty({ enum: KINDS })
  kind: string;
  /** Null for a redrive: that may be about several. */
  webhook_id: string | null;
  /** What was asked for. Ids are shown only where a single resend is read. */
  @ApiProperty({ type: 'object', additionalProperties: true })
  selection: Record<string, unknown>;
  @ApiProperty({ enum: STATUSES })
  status: string;
  rate_per_second: number | null;
  /** What it chose when it was made. */
  total_count: number;
  /** Queued so far, each once. */
  done_count: number;
  /** Chosen, but not sent when their turn came: refused by the webhook's filter, sent again by somebody else, expired, or their webhook was disabled or deleted. */
  skipped_count: number;
  /** 0 to 1. */
  progress: number;
  /** Null while there is nothing to go by. */
  estimated_seconds_left: number | null;
  /** Why it failed, or why parts of it were skipped. */
  error: string | null;
  created_at: string;
  started_at: string | null;
  finished_at: string | null;
}

export class ResendPage {
  data: ResendView[];
  next_cursor: string | null;
}

export class ResendCountView {
  webhook_id: string;
  count: number;
}

/** What a resend will do; with `dry_run: true` what it would do, and nothing else. */
export class ResendAnswer extends PartialType(ResendView) {
  dry_run: boolean;
  /** Deliveries it will queue, before the webhook's filter has looked at the events. */
  count: number;
  /** By webhook, the most first. */
  @ApiProperty({ type: [ResendCountView] })
  webhooks: ResendCountView[];
  /** What was asked for and will not be sent, and why. */
  @ApiProperty({ type: [LeftOutView] })
  skipped: LeftOutView[];
  /** At the rate given; null without one: that depends on the receivers. */
  estimated_seconds: number | null;
}
