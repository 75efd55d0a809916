import { IsOptional, IsString, IsUUID, MaxLength } from 'class-validator';
import { IsTime, MASK, TimePageQuery } from '../../platform/index.js';
import type { DeadLetterFilter, DeadLetterGroup, DeadLetterRow } from './dead-letters.sql.js';
import { AttemptView } from './deliveries.dto.js';
import type { AttemptRow } from './deliveries.sql.js';

export class ListDeadLetters extends TimePageQuery {
  @IsOptional() @IsUUID()
  webhook_id?: string;

  @IsOptional() @IsString() @MaxLength(255)
  event_type?: string;

  /** Of the last attempt, such as `http_5xx` or `timeout`. */
  @IsOptional() @IsString() @MaxLength(100)
  error_class?: string;

  @IsOptional() @IsString() @MaxLength(200)
  event_id?: string;
}

export class SummarizeDeadLetters {
  @IsOptional() @IsUUID()
  webhook_id?: string;

  /** Died at or after (RFC 3339). */
  @IsOptional() @IsTime()
  from?: string;

  /** Died before (RFC 3339). */
  @IsOptional() @IsTime()
  to?: string;
}

/** The filter of the database for one of the wire. */
export function letterFilterOf(given: { webhook_id?: string; event_type?: string; error_class?: string; event_id?: string; from?: string; to?: string }): DeadLetterFilter {
  return {
    webhookId: given.webhook_id, eventType: given.event_type, errorClass: given.error_class, eventId: given.event_id,
    from: given.from ? new Date(given.from) : undefined, to: given.to ? new Date(given.to) : undefined,
  };
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
  /** The line it headed, for an ordered webhook; masked where the event holds sensitive fields that this key may not read. */
  order_key: string | null;
  /** That line stands still until this is redriven or skipped. */
  blocks_key: boolean;
  died_at: string;
  /** Until then it can be redriven. */
  kept_until: string;
  /** In order; only where a single dead letter is read. */
  attempts?: AttemptView[];

  /** `secret`: what was taken from the event, or came in answer to it, is not for the caller. */
  static of(row: DeadLetterRow, keptMs: number, secret: boolean, attempts?: AttemptRow[]): DeadLetterView {
    return {
      ...row, order_key: secret && row.order_key ? MASK : row.order_key, died_at: row.died_at.toISOString(), kept_until: new Date(row.died_at.getTime() + keptMs).toISOString(),
      ...(attempts && { attempts: attempts.map((attempt) => AttemptView.of(attempt, secret)) }),
    };
  }
}

export class DeadLetterPage {
  data: DeadLetterView[];
  next_cursor: string | null;
}

export class DeadLetterGroupView {
  webhook_id: string;
  url: string;
  error_class: string | null;
  count: number;
  oldest_died_at: string;
  newest_died_at: string;

  static of(row: DeadLetterGroup): DeadLetterGroupView {
    return { ...row, oldest_died_at: row.oldest_died_at.toISOString(), newest_died_at: row.newest_died_at.toISOString() };
  }
}

export class DeadLetterSummary {
  /** Of the groups shown. */
  total_count: number;
  /** By webhook and class of the last failure, the most first, at most 1,000. */
  data: DeadLetterGroupView[];
}
