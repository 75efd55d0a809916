import { ApiProperty } from '@nestjs/swagger';
import { IsOptional, IsString, IsUUID, MaxLength } from 'class-validator';
import { TimePageQuery } from '../platform/index.js';

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
