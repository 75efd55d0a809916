import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { ArrayMaxSize, IsArray, IsBoolean, IsIn, IsObject, IsOptional, IsString, IsUUID, Length } from 'class-validator';
import { AsSent, IfGiven, PageQuery } from '../../platform/index.js';

const FORMATS = ['csv', 'json', 'parquet'] as const;
const COMPRESSIONS = ['none', 'gzip', 'zstd', 'snappy'];
const TARGETS = ['lake', 'private'] as const;
const STATUSES = ['queued', 'running', 'succeeded', 'failed', 'cancelled'];

/** What is to be exported and how, apart from the days. */
export class ExportOptions {
  /** Its name, as `GET /v1/datalake/datasets` lists it. */
  @ApiProperty({ example: 'cost_data' })
  @IsString() @Length(1, 100)
  dataset: string;

  @ApiProperty({ enum: FORMATS })
  @IsIn(FORMATS, { message: `must be one of ${FORMATS.join(', ')}` })
  format: 'csv' | 'json' | 'parquet';

  /** Parquet: `zstd` (the default), `snappy`, `gzip` or `none`, inside the file. CSV and JSON: `none` (the default), `gzip` or `zstd`. */
  @ApiPropertyOptional({ enum: COMPRESSIONS })
  @IfGiven() @IsIn(COMPRESSIONS, { message: `must be one of ${COMPRESSIONS.join(', ')}` })
  compression?: string;

  /** Which folders the files are in: the beginning of `["year", "month", "day"]`, all of it by default, none for `[]`. Anything but all makes the export private. */
  @ApiPropertyOptional({ isArray: true, enum: ['year', 'month', 'day'] })
  @IfGiven() @IsArray() @ArrayMaxSize(3) @IsIn(['year', 'month', 'day'], { each: true, message: 'must hold year, month and day only' })
  partition_by?: string[];

  /** Only these columns, in this order. Makes the export private. */
  @IfGiven() @IsArray() @ArrayMaxSize(1000) @IsString({ each: true })
  columns?: string[];

  /** Only rows that it is true of: `{column: value}` or `{column: {gte: value}}`. Makes the export private. */
  @ApiPropertyOptional({ type: 'object', additionalProperties: true })
  @IfGiven() @AsSent() @IsObject()
  filter?: Record<string, unknown>;

  /** Of CSV: a text that a spreadsheet would run as a formula begins with an apostrophe. Makes the export private. */
  @IfGiven() @IsBoolean()
  formula_safe?: boolean;

  /** `lake`: the days it covers are replaced in the lake that all whole exports of the dataset share. `private`: files of its own, under `exports/_private`. By default `lake` wherever it may be. */
  @ApiPropertyOptional({ enum: TARGETS })
  @IfGiven() @IsIn(TARGETS, { message: `must be one of ${TARGETS.join(', ')}` })
  target?: 'lake' | 'private';

  /** Where to; the disk of the house by default. */
  @IfGiven() @IsUUID()
  destination_id?: string;
}

export class CreateExport extends ExportOptions {
  /** The first UTC day, such as `2026-01-31`. */
  @ApiProperty({ example: '2026-01-01' })
  @IsString()
  from: string;

  /** The UTC day after the last one. */
  @ApiProperty({ example: '2026-02-01' })
  @IsString()
  to: string;
}

export class ListExports extends PageQuery {
  @ApiPropertyOptional({ enum: STATUSES })
  @IsOptional() @IsIn(STATUSES, { message: `must be one of ${STATUSES.join(', ')}` })
  status?: string;

  @IsOptional() @IsString() @Length(1, 100)
  dataset?: string;

  @ApiPropertyOptional({ enum: FORMATS })
  @IsOptional() @IsIn(FORMATS, { message: `must be one of ${FORMATS.join(', ')}` })
  format?: string;

  @ApiPropertyOptional({ enum: TARGETS })
  @IsOptional() @IsIn(TARGETS, { message: `must be one of ${TARGETS.join(', ')}` })
  target?: string;

  @IsOptional() @IsUUID()
  destination_id?: string;
}

export class ExportFileView {
  /** Its path from the prefix of the destination. */
  key: string;
  /** `2026-01-31`, or as far as there are folders. */
  partition: string;
  bytes: number;
  sha256: string;
  row_count: number;
  /** Of each decimal column, exact; none for a key without the scope of the dataset. */
  @ApiProperty({ type: 'object', additionalProperties: { type: 'string' } })
  sums: Record<string, string>;
  /** It was there already, as this export would have written it. */
  unchanged: boolean;
}

export class ExportView {
  export_id: string;
  dataset: string;
  @ApiProperty({ enum: FORMATS })
  format: string;
  @ApiProperty({ enum: COMPRESSIONS })
  compression: string;
  from: string;
  /** The day after the last one. */
  to: string;
  partition_by: string[];
  /** Null: all. */
  @ApiProperty({ type: [String], nullable: true })
  columns: string[] | null;
  @ApiProperty({ type: 'object', additionalProperties: true, nullable: true })
  filter: Record<string, unknown> | null;
  formula_safe: boolean;
  @ApiProperty({ enum: TARGETS })
  target: string;
  /** Null: the disk of the house. */
  destination_id: string | null;
  /** The folder of its files and their `_manifest.json`, from the prefix of the destination. */
  prefix: string;
  @ApiProperty({ enum: STATUSES })
  status: string;
  /** 0 to 1, by rows. */
  progress: number;
  /** What it has to write; null until it is counted. */
  total_row_count: number | null;
  /** Rows that are in files, those of unchanged files among them. */
  row_count: number;
  /** Bytes of text that Postgres has handed out. */
  read_byte_count: number;
  /** Bytes of files, those of unchanged files among them. */
  byte_count: number;
  /** Every file was there already, and no other: nothing was written. */
  unchanged: boolean;
  /** All files show the rows as they were then. */
  snapshot_at: string | null;
  /** Why it failed, or why its last try did not come to an end. */
  error: string | null;
  created_at: string;
  started_at: string | null;
  finished_at: string | null;
  /** Once it has succeeded, and where a single export is read. */
  @ApiProperty({ type: [ExportFileView] })
  files?: ExportFileView[];
}

export class ExportPage {
  data: ExportView[];
  next_cursor: string | null;
}
