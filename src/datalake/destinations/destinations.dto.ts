import { ApiProperty, type ApiPropertyOptions, ApiPropertyOptional, PartialType } from '@nestjs/swagger';
import { IsIn, IsOptional, IsString, Length, Matches } from 'class-validator';
import { AsSent, IfGiven } from '../../platform/index.js';

const TEXT = { type: 'string' } as const;
const CREDENTIALS: ApiPropertyOptions = {
  type: 'object', nullable: true, additionalProperties: false, required: ['access_key_id', 'secret_access_key'], properties: { access_key_id: TEXT, secret_access_key: TEXT, session_token: TEXT },
};
const ENCRYPTION: ApiPropertyOptions = {
  type: 'object', nullable: true, additionalProperties: false, required: ['type'], properties: { type: { ...TEXT, enum: ['AES256', 'aws:kms'] }, key_id: TEXT },
};

/** The fields of a destination that its owner sets. */
export class ReplaceDestination {
  /** For people. */
  @ApiProperty({ example: 'Lake in Frankfurt' })
  @IsString() @Length(1, 200) @Matches(/^[^\0]*$/, { message: 'must not hold \\u0000' })
  name: string;

  /** `s3`: a bucket of S3 or of what speaks its protocol. `disk`: a folder in `DATA_DIR/destinations`. Stays as it was made. */
  @ApiProperty({ enum: ['s3', 'disk'] })
  @IsIn(['s3', 'disk'], { message: 'must be s3 or disk' })
  type: 's3' | 'disk';

  /** Needed by `s3`. */
  @ApiPropertyOptional({ type: 'string', nullable: true, example: 'lake' })
  @IsOptional() @AsSent()
  bucket?: unknown;

  /** Before `exports/…`: names with slashes between them. */
  @ApiPropertyOptional({ type: 'string', example: 'lakehook/prod', default: '' })
  @IfGiven() @AsSent() @IsString()
  prefix?: string;

  /** Needed by `s3` without an endpoint; with one it is `us-east-1`. */
  @ApiPropertyOptional({ type: 'string', nullable: true, example: 'eu-central-1' })
  @IsOptional() @AsSent()
  region?: unknown;

  /** Of what speaks S3's protocol and is not AWS. Held to the same rules as the URLs of webhooks. */
  @ApiPropertyOptional({ type: 'string', nullable: true, example: 'https://minio.example.com' })
  @IsOptional() @AsSent()
  endpoint?: unknown;

  /** Whether the bucket is named in the path rather than in the host; by default where there is an endpoint. */
  @ApiPropertyOptional({ type: 'boolean', nullable: true })
  @IsOptional() @AsSent()
  path_style?: unknown;

  /** How S3 encrypts what it stores, where the bucket's own default is not enough. */
  @ApiPropertyOptional(ENCRYPTION)
  @IsOptional() @AsSent()
  server_side_encryption?: unknown;

  /** Static keys. Never shown; a mask sent back keeps what is stored, and left out of a change they stay. Null: what the AWS SDK finds on the machine (environment, profile, role), which is for the first tenant only. */
  @ApiPropertyOptional(CREDENTIALS)
  @IsOptional() @AsSent()
  credentials?: unknown;
}

export class CreateDestination extends ReplaceDestination {}

export class ChangeDestination extends PartialType(ReplaceDestination, { skipNullProperties: false }) {}

class EncryptionView {
  @ApiProperty({ enum: ['AES256', 'aws:kms'] })
  type: string;
  key_id?: string;
}

class CredentialsView {
  /** A mask. */
  @ApiProperty({ example: '********' })
  access_key_id: string;
  /** A mask. */
  @ApiProperty({ example: '********' })
  secret_access_key: string;
  /** A mask. */
  @ApiPropertyOptional({ example: '********' })
  session_token?: string;
}

export class DestinationView {
  destination_id: string;
  name: string;
  @ApiProperty({ enum: ['s3', 'disk'] })
  type: string;
  bucket: string | null;
  prefix: string;
  region: string | null;
  endpoint: string | null;
  @ApiProperty({ type: 'boolean', nullable: true })
  path_style: boolean | null;
  @ApiProperty({ type: EncryptionView, nullable: true })
  server_side_encryption: EncryptionView | null;
  @ApiProperty({ type: CredentialsView, nullable: true })
  credentials: CredentialsView | null;
  /** The last four characters of `access_key_id`, where it has 12 or more. Null without credentials, or when the key they were sealed with is gone: give them anew then. */
  access_key_hint: string | null;
  created_at: string;
  updated_at: string;
}

export class DestinationPage {
  data: DestinationView[];
  next_cursor: string | null;
}

export class ProbeStep {
  @ApiProperty({ enum: ['write', 'multipart', 'read', 'list', 'list_uploads', 'abort', 'delete'] })
  step: string;
  /** `skipped`: an earlier step had to work first. */
  @ApiProperty({ enum: ['ok', 'failed', 'skipped'] })
  status: string;
  @ApiProperty({ type: 'integer' })
  duration_ms: number;
  /** Why it failed. */
  @ApiProperty({ enum: ['denied', 'no_bucket', 'unreachable', 'timeout', 'full', 'refused'], type: 'string', nullable: true })
  reason: string | null;
  /** What the credentials lack, as IAM names it. */
  permission: string | null;
  error: string | null;
}

export class Probed {
  destination_id: string;
  /** Whether exports can be written to it. */
  ok: boolean;
  steps: ProbeStep[];
  /** What the steps lacked, each once. */
  missing_permissions: string[];
  /** Whether it refuses a write whose condition does not hold. Where not, of two exports of the same lake at the same moment the later one's manifest wins. Null: not known. */
  @ApiProperty({ type: 'boolean', nullable: true })
  conditional_writes: boolean | null;
}
