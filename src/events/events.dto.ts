import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsOptional, IsString, IsUUID, MaxLength } from 'class-validator';
import { TimePageQuery } from '../platform/index.js';

/** What a publisher sends for one event. Read by `publish.ts` from the body's text, so that the bytes of `data` are kept. */
export class PublishEvent {
  /** Letters, digits and . _ : / -, at most 255. */
  @ApiProperty({ example: 'cost.report_ready' })
  event_type: string;

  /** Any JSON object. Kept, signed and delivered exactly as sent: key order, big numbers, unicode. */
  @ApiProperty({ type: 'object', additionalProperties: true, example: { service: 'AmazonEC2', amount: 143227.76 } })
  data: Record<string, unknown>;

  /** Your own id for the event, 1 to 200 characters. Publishing it again is answered with `duplicate: true` and stores nothing. */
  @ApiPropertyOptional({ example: 'invoice-2026-11' })
  event_id?: string;

  /** When it happened (RFC 3339). The time of recording, when absent. */
  @ApiPropertyOptional({ format: 'date-time' })
  timestamp?: string;

  /** Anything you want to find the event by later. */
  @ApiPropertyOptional({ type: 'object', additionalProperties: true })
  metadata?: Record<string, unknown>;
}

export class PublishBatch {
  /** 1 to 1,000 events. */
  @ApiProperty({ type: [PublishEvent] })
  events: PublishEvent[];
}

export class PublishedEvent {
  event_id: string;
  /** The id was in the log already; nothing was stored. */
  duplicate: boolean;
}

export class RefusedEvent {
  /** Position in the batch that was sent. */
  index: number;
  /** A problem, as if the event had been published alone. */
  @ApiProperty({ type: 'object', additionalProperties: true })
  error: Record<string, unknown>;
}

export class PublishedBatch {
  /** One entry per event, in order. */
  @ApiProperty({ type: 'array', items: { oneOf: [{ $ref: '#/components/schemas/PublishedEvent' }, { $ref: '#/components/schemas/RefusedEvent' }] } })
  data: (PublishedEvent | RefusedEvent)[];
}

export class ListEvents extends TimePageQuery {
  /** Only events of exactly this type. */
  @IsOptional() @IsString() @MaxLength(255)
  event_type?: string;

  /** Only events that came in through this source. */
  @IsOptional() @IsUUID()
  source_id?: string;
}

export class EventView {
  event_id: string;
  event_type: string;
  /** When it happened. */
  timestamp: string;
  @ApiProperty({ type: 'object', additionalProperties: true })
  data: Record<string, unknown>;
  @ApiProperty({ type: 'object', additionalProperties: true })
  metadata: Record<string, unknown>;
  source_id: string | null;
  /** When it was committed to the log. */
  recorded_at: string;
}

export class EventPage {
  data: EventView[];
  next_cursor: string | null;
}
