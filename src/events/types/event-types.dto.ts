import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { ArrayUnique, IsArray, IsBoolean, IsIn, IsInt, IsObject, IsString, Matches, Max, MaxLength, Min } from 'class-validator';
import { AsSent, type EventType, type EventTypeVersion, IfGiven, PageQuery } from '../../platform/index.js';
import { Transform } from 'class-transformer';
import { EVENT_TYPE } from '../publish.js';
import { COMPATIBILITIES, type Compatibility } from '../schemas/compatibility.js';
import type { BuiltIn } from './built-ins.js';

export const IsCompatibility = (): PropertyDecorator => (target, property) => {
  IsIn(COMPATIBILITIES)(target, property);
  ApiPropertyOptional({ enum: COMPATIBILITIES })(target, property);
};

/** What can be said of a type, and changed later. */
export class ReplaceEventType {
  /** For people. */
  @IfGiven() @IsString() @MaxLength(2_000)
  description: string = '';

  /** Fields of `data` that only keys with `events:read_sensitive` see: JSON pointers into it, with `*` for any element or name. */
  @IfGiven() @IsArray() @IsString({ each: true }) @ArrayUnique()
  contains_sensitive: string[] = [];

  /** What a new version must keep of the newest ACTIVE one. */
  @IfGiven() @IsCompatibility()
  compatibility: Compatibility = 'backward';
}

export class CreateEventType extends ReplaceEventType {
  /** Letters, digits and . _ : / -, at most 255. */
  @ApiProperty({ example: 'order.created' })
  @IsString() @Matches(EVENT_TYPE, { message: 'must be 1 to 255 characters of letters, digits and . _ : / -' })
  name: string;

  /** A JSON Schema (2020-12) for `data`: becomes version 1. */
  @ApiPropertyOptional({ type: 'object', additionalProperties: true })
  @IfGiven() @AsSent() @IsObject()
  schema?: Record<string, unknown>;
}

export class CreateVersion {
  /** A JSON Schema (2020-12) for `data`. */
  @ApiProperty({ type: 'object', additionalProperties: true })
  @AsSent() @IsObject()
  schema: Record<string, unknown>;

  /** What it must keep of the newest ACTIVE version; the type's own, when absent. */
  @IfGiven() @IsCompatibility()
  compatibility?: Compatibility;
}

export class SetVersionStatus {
  @ApiProperty({ enum: ['ACTIVE', 'INACTIVE'] })
  @IsIn(['ACTIVE', 'INACTIVE'])
  status: 'ACTIVE' | 'INACTIVE';
}

export class ListEventTypes extends PageQuery {
  /** Also those that were archived. */
  @ApiPropertyOptional({ type: Boolean })
  @IfGiven() @Transform(({ value }) => (value === 'true' ? true : value === 'false' ? false : (value as unknown))) @IsBoolean()
  archived: boolean = false;
}

export class InferSchema {
  /** Events to look at, the newest first. */
  @IfGiven() @IsInt() @Min(1) @Max(1_000)
  limit: number = 500;
}

export class VersionView {
  version: number;
  @ApiProperty({ enum: ['ACTIVE', 'INACTIVE'] })
  status: string;
  /** What it was held to when it was made. */
  @ApiProperty({ enum: COMPATIBILITIES })
  compatibility: string;
  @ApiProperty({ type: 'object', additionalProperties: true })
  schema: Record<string, unknown>;
  created_at: string;

  static of(row: EventTypeVersion): VersionView {
    return { version: row.version, status: row.status, compatibility: row.compatibility, schema: row.schema as Record<string, unknown>, created_at: row.createdAt.toISOString() };
  }
}

export class VersionPage {
  /** Newest first. */
  data: VersionView[];
  next_cursor: string | null;
}

export class EventTypeView {
  name: string;
  description: string;
  /** Of ours: it can be read, and not changed. */
  built_in: boolean;
  contains_sensitive: string[];
  @ApiProperty({ enum: COMPATIBILITIES })
  compatibility: string;
  /** The version that `data` is held against: the newest ACTIVE one. */
  @ApiProperty({ type: 'integer', nullable: true })
  version: number | null;
  @ApiProperty({ type: 'object', additionalProperties: true, nullable: true })
  schema: Record<string, unknown> | null;
  created_at: string | null;
  updated_at: string | null;
  archived_at: string | null;

  static of(row: EventType, active?: EventTypeVersion): EventTypeView {
    return {
      name: row.name, description: row.description, built_in: false, contains_sensitive: row.containsSensitive, compatibility: row.compatibility,
      version: active?.version ?? null, schema: (active?.schema as Record<string, unknown> | undefined) ?? null,
      created_at: row.createdAt.toISOString(), updated_at: row.updatedAt.toISOString(), archived_at: row.archivedAt?.toISOString() ?? null,
    };
  }

  static ofBuiltIn({ name, description, schema }: BuiltIn): EventTypeView {
    return {
      name, description, built_in: true, contains_sensitive: [], compatibility: 'backward', version: null, schema: schema as Record<string, unknown>,
      created_at: null, updated_at: null, archived_at: null,
    };
  }
}

export class EventTypePage {
  /** By name. */
  data: EventTypeView[];
  next_cursor: string | null;
}

export class InferredSchema {
  event_type: string;
  /** How many events it was made of, and holds for. */
  sampled: number;
  /** A proposal; nothing is stored. Null where there is no event to look at. */
  @ApiProperty({ type: 'object', additionalProperties: true, nullable: true })
  schema: Record<string, unknown> | null;
}
