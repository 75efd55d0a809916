import { ApiProperty } from '@nestjs/swagger';
import { IsOptional, IsString, IsUUID, MaxLength } from 'class-validator';
import { EventView } from '../../events/index.js';
import { MASK } from '../../platform/index.js';
import type { AttemptRow, DeliveryFilter, DeliveryRow } from './deliveries.sql.js';
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
  /** Null as well where the event holds sensitive fields that this key may not read. */
  @ApiProperty({ type: 'object', additionalProperties: true, nullable: true })
  response_headers: Record<string, string | string[]> | null;
  /** The first 16 KiB; masked where the event holds sensitive fields that this key may not read. */
  response_body: string | null;
  /** Null for a success. */
  error_class: string | null;
  error: string | null;
  @ApiProperty({ enum: ['event', 'retry', 'manual', 'redrive', 'replay', 'test'] })
  trigger: string;

  /** `secret`: headers and body came in answer to what the caller may not see, and may repeat it. */
  static of(row: AttemptRow, secret: boolean): AttemptView {
    const { response_headers, response_body } = row;
    return { ...row, started_at: row.started_at.toISOString(), response_headers: secret ? null : response_headers, response_body: secret && response_body ? MASK : response_body };
  }
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
  /** The resend that queued it last, if any. */
  resend_id: string | null;
  /** In order; only where a single delivery is read. */
  attempts?: AttemptView[];

  static of(row: DeliveryRow, attempts?: AttemptRow[], secret = false): DeliveryView {
    return {
      delivery_id: row.delivery_id, event_id: row.event_id, webhook_id: row.webhook_id, event_type: row.event_type, status: row.status,
      attempt_count: row.attempt_count, next_attempt_at: row.next_attempt_at?.toISOString() ?? null,
      created_at: row.created_at.toISOString(), completed_at: row.completed_at?.toISOString() ?? null, resend_id: row.resend_id,
      ...(attempts && { attempts: attempts.map((attempt) => AttemptView.of(attempt, secret)) }),
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
