import { ApiProperty } from '@nestjs/swagger';

export class FailureExampleView {
  delivery_id: string;
  response_status: number | null;
  /** What happened, in a sentence. */
  error: string | null;
}

export class FailureView {
  error_class: string;
  count: number;
  /** Of all failed attempts, 0 to 1. */
  share: number;
  first_seen_at: string;
  last_seen_at: string;
  /** How often each HTTP status came. */
  @ApiProperty({ type: 'object', additionalProperties: { type: 'integer' } })
  statuses: Record<string, number>;
  /** The latest one with the most frequent status. */
  example: FailureExampleView;
  /** What to do about it. */
  suggestion: string;
}

export class HealthView {
  webhook_id: string;
  @ApiProperty({ enum: ['active', 'paused', 'disabled', 'open_circuit'] })
  status: string;
  disabled_reason: string | null;
  /** Since when attempts count: a day ago, or later where there were half a million since. Test sends do not count. */
  from: string;
  attempts: number;
  failed: number;
  /** Attempts that succeeded, 0 to 1; null without any. */
  success_rate: number | null;
  p50_ms: number | null;
  p99_ms: number | null;
  /** Deliveries that wait or are being attempted. */
  waiting: number;
  oldest_due_at: string | null;
  dead_letters: number;
  /** Events of the last 24 hours that the filter refused, counted by full hours. */
  filtered_24h: number;
  /** By class, the most frequent first. */
  @ApiProperty({ type: [FailureView] })
  failures: FailureView[];
}
