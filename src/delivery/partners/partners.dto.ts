import { ApiProperty, ApiPropertyOptional, PartialType } from '@nestjs/swagger';
import { ArrayMaxSize, ArrayMinSize, ArrayUnique, IsArray, IsObject, IsOptional, IsString, IsUUID, Length, Matches, MaxLength } from 'class-validator';
import { AsSent, IfGiven, PageQuery, type Partner, type Subscription } from '../../platform/index.js';
import { EVENT_PATTERN } from '../fan-out/match.js';

export const STATUSES = ['pending', 'approved', 'rejected', 'cancelled'];

export class CreatePartner {
  @IsString() @Length(1, 200)
  name: string;

  /** Whom to talk to: an address, a team, a ticket queue. */
  @IfGiven() @IsString() @MaxLength(500)
  contact: string = '';

  /** Anything you want to remember of the partner, at most 16 KiB. */
  @ApiProperty({ type: 'object', additionalProperties: true, default: {} })
  @IfGiven() @AsSent() @IsObject()
  metadata: Record<string, unknown> = {};
}

export class ChangePartner extends PartialType(CreatePartner, { skipNullProperties: false }) {
  constructor() {
    super();
    // PartialType copies the defaults too: a change of one field would reset all others to them.
    for (const name of Object.keys(this)) Reflect.deleteProperty(this, name);
  }
}

export class PartnerView {
  partner_id: string;
  name: string;
  contact: string;
  @ApiProperty({ type: 'object', additionalProperties: true })
  metadata: Record<string, unknown>;
  created_at: string;
  updated_at: string;

  static of(row: Partner): PartnerView {
    return {
      partner_id: row.partnerId, name: row.name, contact: row.contact, metadata: row.metadata as Record<string, unknown>,
      created_at: row.createdAt.toISOString(), updated_at: row.updatedAt.toISOString(),
    };
  }
}

export class PartnerPage {
  data: PartnerView[];
  next_cursor: string | null;
}

export class RequestSubscription {
  @IsUUID()
  partner_id: string;

  /** A webhook that belongs to the partner, or to nobody yet. */
  @IsUUID()
  webhook_id: string;

  /** What the partner wants: `*`, exact types, or prefixes such as `cost.*`. It receives those that the webhook's own `events` choose too. */
  @IsArray() @ArrayMinSize(1) @ArrayMaxSize(100) @ArrayUnique()
  @Matches(EVENT_PATTERN, { each: true, message: 'must hold `*`, event types or `prefix.*` patterns' })
  events: string[];

  /** For whoever decides. */
  @IfGiven() @IsString() @MaxLength(1000)
  note: string = '';
}

export class RejectSubscription {
  /** Why, for whoever asked. */
  @IsString() @Length(1, 1000)
  reason: string;
}

export class CancelSubscription {
  @IfGiven() @IsString() @Length(1, 1000)
  reason?: string;
}

export class SubscriptionView {
  subscription_id: string;
  partner_id: string;
  webhook_id: string;
  events: string[];
  note: string;
  @ApiProperty({ enum: STATUSES })
  status: string;
  /** The API key that asked. */
  requested_by: string;
  created_at: string;
  /** The API key that approved or rejected it. */
  decided_by: string | null;
  decided_at: string | null;
  /** The API key that cancelled it. */
  cancelled_by: string | null;
  cancelled_at: string | null;
  /** Why it was rejected or cancelled. */
  reason: string | null;

  static of(row: Subscription): SubscriptionView {
    return {
      subscription_id: row.subscriptionId, partner_id: row.partnerId, webhook_id: row.webhookId, events: row.events, note: row.note, status: row.status,
      requested_by: row.requestedBy, created_at: row.createdAt.toISOString(), decided_by: row.decidedBy, decided_at: row.decidedAt?.toISOString() ?? null,
      cancelled_by: row.cancelledBy, cancelled_at: row.cancelledAt?.toISOString() ?? null, reason: row.reason,
    };
  }
}

export class SubscriptionPage {
  data: SubscriptionView[];
  next_cursor: string | null;
}

export class ListSubscriptions extends PageQuery {
  @ApiPropertyOptional({ enum: STATUSES })
  @IsOptional() @Matches(/^(pending|approved|rejected|cancelled)$/, { message: 'must be one of pending, approved, rejected, cancelled' })
  status?: string;

  @IsOptional() @IsUUID()
  partner_id?: string;

  @IsOptional() @IsUUID()
  webhook_id?: string;
}
