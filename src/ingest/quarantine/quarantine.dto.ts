import { ApiProperty } from '@nestjs/swagger';
import { IsInt, Max, Min } from 'class-validator';
import { IfGiven } from '../../platform/index.js';

export class QuarantinedView {
  quarantine_id: string;
  received_at: string;
  /** What did not fit: nothing to verify by, something unreadable, a signed time that is too far off, no secret that fits, or (`invalid`) the schema of its type. */
  @ApiProperty({ enum: ['missing', 'malformed', 'stale', 'mismatch', 'invalid'] })
  reason: string;
  detail: string;
  content_type: string | null;
  /** Without those that carry signatures or credentials. */
  @ApiProperty({ type: 'object', additionalProperties: { type: 'string' } })
  headers: Record<string, string>;
  byte_count: number;
  /** The first 1,024 bytes of the body, read as UTF-8. The whole is under `/body`. Null for a key that may not see what event types call sensitive. */
  body_start: string | null;
}

export class QuarantinePage {
  data: QuarantinedView[];
  next_cursor: string | null;
}

export class Reverify {
  /** How many to look at, the oldest first. All there are, when left out. */
  @IfGiven() @IsInt() @Min(1) @Max(2_000)
  limit: number = 2_000;
}

export class Reverified {
  /** Requests that are events now, or are known to be repeats of some. */
  verified: number;
  still_refused: number;
}
