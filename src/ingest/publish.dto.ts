import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';

/** What a publisher sends for one event. Read by `events/publish.ts` from the body's text, so that the bytes of `data` are kept. */
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
