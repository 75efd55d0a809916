import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { CHARGE_CATEGORIES } from './read-records.js';

const DECIMAL = { oneOf: [{ type: 'string' }, { type: 'number' }] };

/** What was charged on a day. Read by `read-records.ts` from the body's text, so that numbers keep every digit. */
export class CostRecord {
  /** The UTC day of usage, from 2000-01-01 to a year ahead. */
  @ApiProperty({ format: 'date', example: '2026-11-01' })
  date: string;

  @ApiProperty({ example: 'aws' })
  provider: string;

  @ApiPropertyOptional({ type: String, nullable: true, example: '111122223333' })
  billing_account_id?: string | null;

  @ApiPropertyOptional({ type: String, nullable: true, example: '444455556666' })
  sub_account_id?: string | null;

  @ApiProperty({ example: 'AmazonEC2' })
  service_name: string;

  @ApiPropertyOptional({ type: String, nullable: true, example: 'eu-central-1' })
  region_id?: string | null;

  @ApiPropertyOptional({ type: String, nullable: true, example: 'i-0abc123' })
  resource_id?: string | null;

  @ApiPropertyOptional({ enum: CHARGE_CATEGORIES, default: 'Usage' })
  charge_category?: string;

  @ApiPropertyOptional({ type: String, nullable: true, example: 'EUC1-BoxUsage:m5.large' })
  usage_type?: string | null;

  /** Exact: a text, or a number of which every digit counts; scientific notation is understood. At most 17 digits before the point and 21 behind it. */
  @ApiProperty({ ...DECIMAL, example: '2.763678187615017991050' })
  billed_cost: string | number;

  /** Left out, it is the billed cost. */
  @ApiPropertyOptional({ ...DECIMAL, nullable: true })
  effective_cost?: string | number | null;

  /** Left out, it is the billed cost. */
  @ApiPropertyOptional({ ...DECIMAL, nullable: true })
  list_cost?: string | number | null;

  /** Left out, it is the billed cost. */
  @ApiPropertyOptional({ ...DECIMAL, nullable: true })
  contracted_cost?: string | number | null;

  /** At most 20 digits before the point and 18 behind it. */
  @ApiPropertyOptional({ ...DECIMAL, nullable: true, example: '24' })
  quantity?: string | number | null;

  @ApiPropertyOptional({ type: String, nullable: true, example: 'Hrs' })
  unit?: string | null;

  /** ISO 4217. */
  @ApiProperty({ example: 'USD' })
  currency: string;

  /** Texts by name, at most 200. */
  @ApiPropertyOptional({ type: 'object', additionalProperties: { type: 'string' }, nullable: true, example: { team: 'search' } })
  tags?: Record<string, string> | null;
}

export class InsertRecords {
  /** 1 to 10,000 records: all of them are stored, or none. */
  @ApiProperty({ type: [CostRecord] })
  records: CostRecord[];
}

export class InsertedRecords {
  record_count: number;
  /** In the order sent. */
  record_ids: string[];
}
