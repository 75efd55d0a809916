import { ArrayMinSize, ArrayUnique, IsArray, IsIn, IsOptional, IsString, MaxLength, MinLength, ValidateIf } from 'class-validator';
import { type ApiKey, AsSent, IsTime, type RateLimit } from '../platform/index.js';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { SCOPES } from './scopes.js';

export class PublishLimit implements RateLimit {
  /** Events per second on average, 0.001 to 10,000. */
  per_second: number;
  /** Events at once, 1 to 100,000. One second's worth, at least 1, when left out. */
  @ApiPropertyOptional()
  burst: number;
}

export class CreateApiKey {
  /** What the key is for, so that it can be recognised later. */
  @IsString() @MinLength(1) @MaxLength(200)
  name: string;

  /** What the key may do; never more than the key that makes it. */
  @ValidateIf((_, value) => value !== undefined) @IsArray() @ArrayMinSize(1) @ArrayUnique() @IsIn(SCOPES, { each: true })
  scopes: string[] = ['*'];

  /** When the key stops working (RFC 3339). Never, when absent. */
  @IsOptional() @IsTime()
  expires_at?: string;

  /** How many events may be published with the key, per process; a batch counts as the events it holds. Beyond it, 429 with Retry-After. No limit, when absent. */
  @ApiPropertyOptional({ type: PublishLimit, nullable: true })
  @IsOptional() @AsSent()
  rate_limit?: unknown;
}

export class ApiKeyView {
  key_id: string;
  name: string;
  scopes: string[];
  /** The key's last four characters. */
  hint: string;
  created_at: string;
  expires_at: string | null;
  last_used_at: string | null;
  @ApiProperty({ type: PublishLimit, nullable: true })
  rate_limit: RateLimit | null;

  static of(row: ApiKey): ApiKeyView {
    return {
      key_id: row.keyId, name: row.name, scopes: row.scopes, hint: row.hint, created_at: row.createdAt.toISOString(),
      expires_at: row.expiresAt?.toISOString() ?? null, last_used_at: row.lastUsedAt?.toISOString() ?? null, rate_limit: row.rateLimit as RateLimit | null,
    };
  }
}

export class CreatedApiKey extends ApiKeyView {
  /** The key itself. It is shown here and never again. */
  key: string;
}

export class ApiKeyPage {
  data: ApiKeyView[];
  next_cursor: string | null;
}

export class CreateTenant {
  @IsString() @MinLength(1) @MaxLength(200)
  name: string;
}

export class CreatedTenant {
  tenant_id: string;
  name: string;
  /** The new tenant's first key, with scope `*`. It is shown here and never again. */
  admin_key: string;
}
