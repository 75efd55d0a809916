import { ApiProperty } from '@nestjs/swagger';
import { IsOptional, IsString, MaxLength } from 'class-validator';
import { TimePageQuery } from '../platform/index.js';
import type { AuditRow } from './audit.sql.js';

export class ListAudit extends TimePageQuery {
  /** Only this action, such as `webhook.created`. */
  @IsOptional() @IsString() @MaxLength(100)
  action?: string;

  /** Only what was done to the thing with this id. */
  @IsOptional() @IsString() @MaxLength(200)
  subject_id?: string;
}

export class AuditRecordView {
  /** 1 for a tenant's first record, then without gaps. */
  sequence: number;
  recorded_at: string;
  /** The API key that did it. */
  key_id: string;
  /** `X-Request-Id` of the request that did it. */
  request_id: string | null;
  action: string;
  subject_type: string;
  subject_id: string;
  /** What the change touched, as it was. Secrets are left out. */
  @ApiProperty({ type: 'object', additionalProperties: true, nullable: true })
  before: Record<string, unknown> | null;
  /** The same as it is since. */
  @ApiProperty({ type: 'object', additionalProperties: true, nullable: true })
  after: Record<string, unknown> | null;
  /** SHA-256 over the hash of the record before and this one's content, in hex. */
  hash: string;

  static of(row: AuditRow): AuditRecordView {
    return {
      sequence: Number(row.sequence), recorded_at: row.recorded_at.toISOString(), key_id: row.key_id, request_id: row.request_id,
      action: row.action, subject_type: row.subject_type, subject_id: row.subject_id,
      before: parse(row.before), after: parse(row.after), hash: Buffer.from(row.hash).toString('hex'),
    };
  }
}

export class AuditPage {
  data: AuditRecordView[];
  next_cursor: string | null;
}

export class AuditVerification {
  valid: boolean;
  /** How many records the chain has. */
  records: number;
  /** The hash of the last record. Keep it elsewhere: a later chain that does not hold it was cut and written anew. */
  head_hash: string;
  /** Where the chain breaks first. */
  first_broken_sequence: number | null;
  reason: string | null;
}

function parse(text: string | null): Record<string, unknown> | null {
  return text === null ? null : (JSON.parse(text) as Record<string, unknown>);
}
