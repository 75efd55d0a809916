import { ApiProperty, ApiPropertyOptional, PartialType } from '@nestjs/swagger';
import { IsArray, IsBoolean, IsInt, IsObject, IsString, Length, Matches, Max, Min } from 'class-validator';
import { AsSent, IfGiven, IsTime } from '../../platform/index.js';
import { PROVIDERS } from '../providers/providers.js';

const PROVIDER_NAMES = [...PROVIDERS.keys()];
const SECRETS = { oneOf: [{ type: 'string' }, { type: 'object', required: ['secret'], properties: { secret: { type: 'string' }, secret_id: { type: 'string' }, expires_at: { type: 'string', format: 'date-time', nullable: true } } }] };

/** The fields of a source that its owner sets. */
export class ReplaceSource {
  /** For people. */
  @ApiProperty({ example: 'Stripe, live mode' })
  @IsString() @Length(1, 200) @Matches(/^[^\0]*$/, { message: 'must not hold \\u0000' })
  name: string;

  /** Who posts to it, and so how it is verified. */
  @ApiProperty({ enum: PROVIDER_NAMES })
  @IsString() @Matches(new RegExp(`^(${PROVIDER_NAMES.join('|')})$`), { message: `must be one of ${PROVIDER_NAMES.join(', ')}` })
  provider: string;

  /** Secrets that requests may be verified by, at most 10: texts, or `{secret, expires_at?}`. Never shown; a mask with its `secret_id` sent back keeps what is stored. Left out, they stay as they are. */
  @ApiPropertyOptional({ type: 'array', items: SECRETS })
  @IfGiven() @AsSent() @IsArray()
  secrets?: unknown[];

  /** `timestamp_tolerance_seconds` (300; 0 switches the check of signed times off), `dedup_ttl_hours` (72), `public_url` (where the provider believes it posts, without a query), `validate` (`off`, `mark` or `reject` what the schema of its type refuses), `rate_limit` (`{per_second, burst?}` events), and the provider's own. */
  @ApiProperty({ type: 'object', additionalProperties: true, default: {} })
  @IfGiven() @AsSent() @IsObject()
  options: Record<string, unknown> = {};

  /** `false`: its URL answers 404 as if it did not exist. */
  @IfGiven() @IsBoolean()
  is_active: boolean = true;
}

export class CreateSource extends ReplaceSource {}

export class ChangeSource extends PartialType(ReplaceSource, { skipNullProperties: false }) {
  constructor() {
    super();
    // PartialType copies the defaults too: a change of one field would reset all others to them.
    for (const name of Object.keys(this)) Reflect.deleteProperty(this, name);
  }
}

export class SourceSecretView {
  secret_id: string;
  /** A mask. */
  @ApiProperty({ example: '********' })
  secret: string;
  /** Its last four characters, where it has 12 or more. */
  hint: string;
  created_at: string;
  expires_at: string | null;
}

export class SourceView {
  source_id: string;
  name: string;
  @ApiProperty({ enum: PROVIDER_NAMES })
  provider: string;
  /** Where the provider posts to, on this host. Whoever knows it can post. Null when the key it was sealed with is gone: rotate it then. */
  ingest_path: string | null;
  /** Until when the path before the last rotation works. */
  previous_path_expires_at: string | null;
  secrets: SourceSecretView[];
  @ApiProperty({ type: 'object', additionalProperties: true })
  options: Record<string, unknown>;
  is_active: boolean;
  created_at: string;
  updated_at: string;
}

export class SourcePage {
  data: SourceView[];
  next_cursor: string | null;
}

export class RotateToken {
  /** How long the previous path works beside the new one. */
  @IfGiven() @IsInt() @Min(0) @Max(720)
  overlap_hours: number = 24;
}

export class AddSecret {
  /** The new secret, as the provider shows it. */
  @IsString() @Length(1, 1024)
  secret: string;

  /** When it ends by itself. */
  @ApiPropertyOptional({ format: 'date-time' })
  @IfGiven() @IsTime()
  expires_at?: string;

  /** How long the previous secrets verify beside the new one. */
  @IfGiven() @IsInt() @Min(0) @Max(720)
  overlap_hours: number = 24;
}
