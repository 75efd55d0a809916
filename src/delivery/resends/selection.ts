import { DAY_MS } from '../../platform/index.js';

/** What a resend chooses, fixed when it is made. Times are RFC 3339; what is absent does not narrow. */
export interface Selection {
  /** Of a redrive: dead letters by filter, */
  filter?: { webhook_id?: string; event_type?: string; error_class?: string; event_id?: string; from?: string; to?: string };
  /** or by id. */
  delivery_ids?: string[];
  /** Of a replay: events recorded from then (inclusive) to then (exclusive), */
  from?: string;
  to?: string;
  event_types?: string[];
  /** or by id. */
  event_ids?: string[];
  /** Where those that are stored stand in the log. */
  places?: { event_id: string; recorded_at: string }[];
  /** Of a recovery. */
  since?: string;
  /** The patterns of the webhook at that time, where they count. */
  events?: string[];
}

export type Kind = 'redrive' | 'replay' | 'recover';

/** What was asked for and cannot be sent, and why. */
export interface LeftOut {
  reason: 'webhook_disabled' | 'webhook_deleted' | 'past_retention' | 'not_a_dead_letter' | 'event_not_found';
  count: number;
  webhook_id?: string;
}

/** The walks that a resend consists of: over dead letters of a webhook, or over the log for a webhook. */
export type Step = 'letters' | 'events';

/** The start of the oldest day of the log that retention does not take: from before it nothing can be sent. */
export function oldestKept(now: number, retentionDays: number): Date {
  return new Date(Math.floor(now / DAY_MS - retentionDays) * DAY_MS);
}
