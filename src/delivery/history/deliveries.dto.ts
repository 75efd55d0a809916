import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { ArrayMaxSize, ArrayMinSize, IsArray, IsBoolean, IsObject, IsOptional, IsString, IsUUID, Length, MaxLength, ValidateIf, ValidateNested } from 'class-validator';
import { EventView } from '../../events/index.js';
import { IfGiven, IsTime, TimePageQuery } from '../../platform/index.js';
import type { AttemptRow, DeadLetterRow, DeliveryFilter, DeliveryRow } from './deliveries.sql.js';
import { ListWebhookDeliveries } from '../webhooks/webhooks.dto.js';

const STATUSES = ['pending', 'succeeded', 'retrying', 'dead', 'cancelled'];

export class AttemptView {
  /** 1 for the first. */
  attempt: number;
  started_at: string;
  /** Null when a crash left the attempt without an outcome. */
  duration_ms: number | null;
  /** As sent; the values of the webhook's own headers are masked. */
  @ApiProperty({ type: 'object', additionalProperties: { type: 'string' }, nullable: true })
  request_headers: Record<string, string> | null;
  response_status: number | null;
  @ApiProperty({ type: 'object', additionalProperties: true, nullable: true })
  response_headers: Record<string, string | string[]> | null;
  /** The first 16 KiB. */
  response_body: string | null;
  /** Null for a success. */
  error_class: string | null;
  error: string | null;
  @ApiProperty({ enum: ['event', 'retry', 'manual', 'redrive', 'replay', 'test'] })
  trigger: string;
}

export class DeliveryView {
  delivery_id: string;
  event_id: string;
  webhook_id: string;
  event_type: string;
  @ApiProperty({ enum: STATUSES })
  status: string;
  attempt_count: number;
  next_attempt_at: string | null;
  created_at: string;
  completed_at: string | null;
  /** In order; only where a single delivery is read. */
  attempts?: AttemptView[];

  static of(row: DeliveryRow, attempts?: AttemptRow[]): DeliveryView {
    return {
      delivery_id: row.delivery_id, event_id: row.event_id, webhook_id: row.webhook_id, event_type: row.event_type, status: row.status,
      attempt_count: row.attempt_count, next_attempt_at: row.next_attempt_at?.toISOString() ?? null,
      created_at: row.created_at.toISOString(), completed_at: row.completed_at?.toISOString() ?? null,
      ...(attempts && { attempts: attempts.map((attempt) => ({ ...attempt, started_at: attempt.started_at.toISOString() })) }),
    };
  }
}

export class DeliveryPage {
  data: DeliveryView[];
  next_cursor: string | null;
}

export class EventWithDeliveries extends EventView {
  /** Newest first, at most 200; `GET /v1/deliveries?event_id=` lists them all. */
  deliveries: DeliveryView[];
}

export class ListDeliveries extends ListWebhookDeliveries {
  @IsOptional() @IsUUID()
  webhook_id?: string;

  @IsOptional() @IsString() @MaxLength(200)
  event_id?: string;
}

/** The filter of the database for a query of the wire. */
export function filterOf(query: { webhook_id?: string; event_id?: string; event_type?: string; status?: string; from?: string; to?: string }): DeliveryFilter {
  return {
    webhookId: query.webhook_id, eventId: query.event_id, eventType: query.event_type, status: query.status,
    from: query.from ? new Date(query.from) : undefined, to: query.to ? new Date(query.to) : undefined,
  };
}

export class ListDeadLetters extends TimePageQuery {
  @IsOptional() @IsUUID()
  webhook_id?: string;

  @IsOptional() @IsString() @MaxLength(255)
  event_type?: string;
}

export class DeadLetterView {
  delivery_id: string;
  event_id: string;
  webhook_id: string;
  event_type: string;
  attempt_count: number;
  /** Of the last attempt. */
  error_class: string | null;
  /** Why it was given up, in words. */
  reason: string;
  died_at: string;

  static of(row: DeadLetterRow): DeadLetterView {
    return { ...row, died_at: row.died_at.toISOString() };
  }
}

export class DeadLetterPage {
  data: DeadLetterView[];
  next_cursor: string | null;
}

export class DeadLetterFilter {
  @IfGiven() @IsUUID()
  webhook_id?: string;

  @IfGiven() @IsString() @Length(1, 255)
  event_type?: string;

  /** Died at or after (RFC 3339). */
  @IfGiven() @IsTime()
  from?: string;

  /** Died before (RFC 3339). */
  @IfGiven() @IsTime()
  to?: string;

  toFilter(): DeliveryFilter {
    return filterOf(this);
  }
}

export class RedriveDeadLetters {
  /** Which dead letters; `{}` chooses all. Give this or `delivery_ids`. */
  @ValidateIf((body: RedriveDeadLetters) => body.delivery_ids === undefined || body.filter !== undefined)
  @IsObject({ message: 'must be an object, or delivery_ids must be given' }) @ValidateNested() @Type(() => DeadLetterFilter)
  filter?: DeadLetterFilter;

  /** The dead letters with these delivery ids. */
  @ValidateIf((body: RedriveDeadLetters) => body.delivery_ids !== undefined)
  @IsArray() @ArrayMinSize(1) @ArrayMaxSize(1000) @IsUUID(undefined, { each: true })
  delivery_ids?: string[];

  /** Only count. */
  @ValidateIf((_, value) => value !== undefined) @IsBoolean()
  dry_run: boolean = false;
}

export class RedriveCountView {
  webhook_id: string;
  count: number;
}

export class RedriveResult {
  dry_run: boolean;
  /** Dead letters whose webhook still takes deliveries. */
  count: number;
  @ApiPropertyOptional({ type: [RedriveCountView] })
  webhooks: RedriveCountView[];
}
