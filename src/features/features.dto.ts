import { ApiProperty } from '@nestjs/swagger';
import { IsInt, IsOptional, IsString, Max, MaxLength, Min } from 'class-validator';
import type { Feature } from './feature.js';

export class RollOut {
  /** The share of subjects that the feature is for: `0` for none, then perhaps `5`, `25`, `50`, and `100` for all. */
  @IsInt() @Min(0) @Max(100)
  percentage: number;

  /** Why, for those who look later. */
  @IsOptional() @IsString() @MaxLength(1000)
  note?: string | null;
}

export class FeatureView {
  name: string;
  description: string;
  percentage: number;
  /** What it is when nobody has said otherwise. */
  default_percentage: number;
  note: string | null;
  /** Null when it is as the version declares it. */
  changed_at: string | null;

  static of({ name, description, percentage }: Feature, row?: { percentage: number; note: string | null; changedAt: Date } | null): FeatureView {
    return { name, description, percentage: row?.percentage ?? percentage, default_percentage: percentage, note: row?.note ?? null, changed_at: row?.changedAt.toISOString() ?? null };
  }
}

export class FeatureList {
  @ApiProperty({ type: [FeatureView] })
  data: FeatureView[];
}
