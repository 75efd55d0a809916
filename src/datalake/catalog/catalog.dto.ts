import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional, IsUUID } from 'class-validator';

const ENGINES = ['duckdb', 'athena', 'trino', 'spark'] as const;
const FORMATS = ['csv', 'json', 'parquet'] as const;

export class AskDdl {
  /** Whose SQL. */
  @ApiProperty({ enum: ENGINES })
  @IsIn(ENGINES, { message: `must be one of ${ENGINES.join(', ')}` })
  engine: (typeof ENGINES)[number];

  /** Of the files; `parquet` by default. */
  @ApiPropertyOptional({ enum: FORMATS })
  @IsOptional() @IsIn(FORMATS, { message: `must be one of ${FORMATS.join(', ')}` })
  format?: (typeof FORMATS)[number];

  /** Where the lake is; on the disk of the house by default. */
  @IsOptional() @IsUUID()
  destination_id?: string;
}

export class DdlView {
  dataset: string;
  @ApiProperty({ enum: ENGINES })
  engine: string;
  @ApiProperty({ enum: FORMATS })
  format: string;
  /** The folder of the lake, as the engine names it. */
  location: string;
  /** To be run in this order. */
  statements: string[];
  /** What to know before that. */
  notes: string[];
}
