import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { IsObject, IsOptional, IsString, Length, Matches, ValidateIf, ValidateNested } from 'class-validator';
import { EVENT_TYPE } from '../../events/index.js';
import { AsSent, IfGiven } from '../../platform/index.js';

export class TriedEvent {
  @IsString() @Matches(EVENT_TYPE, { message: 'must be an event type' })
  event_type: string;

  @ApiProperty({ type: 'object', additionalProperties: true })
  @AsSent() @IsObject()
  data: Record<string, unknown>;

  @ApiProperty({ type: 'object', additionalProperties: true, default: {} })
  @IfGiven() @AsSent() @IsObject()
  metadata: Record<string, unknown> = {};
}

export class TryFilter {
  /** The event to try. Give this or `event_id`. */
  @ValidateIf((body: TryFilter) => body.event_id === undefined || body.event !== undefined)
  @IsObject({ message: 'must be an object, or event_id must be given' }) @ValidateNested() @Type(() => TriedEvent)
  event?: TriedEvent;

  /** An event in the log. */
  @IfGiven() @IsString() @Length(1, 200)
  event_id?: string;

  /** The filter to try, and null for none. Absent, the webhook's own. */
  @ApiPropertyOptional({ type: 'object', additionalProperties: true, nullable: true })
  @IsOptional() @AsSent() @IsObject()
  filter?: Record<string, unknown> | null;
}

export class RefusalView {
  /** A JSON pointer into the filter. */
  pointer: string;
  /** What the clause found and what it wants. */
  detail: string;
}

export class FilterTrial {
  /** Whether the filter lets the event pass. */
  matches: boolean;
  /** The first clause that refuses it. */
  @ApiProperty({ type: RefusalView, nullable: true })
  refused_by: RefusalView | null;
  /** Whether the patterns in `events`, and of a partner's webhook those of approved subscriptions, choose the event's type. It is delivered when both are true. */
  matches_events: boolean;
  /** Fields of the stored event that this key may not read were masked, and the filter was asked about it as masked: fan-out, which sees them, may decide otherwise. */
  masked: boolean;
}
