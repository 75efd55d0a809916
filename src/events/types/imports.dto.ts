import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean, IsObject, ValidateBy } from 'class-validator';
import { AsSent, IfGiven, isObject } from '../../platform/index.js';
import type { Compatibility } from '../schemas/compatibility.js';
import { IsCompatibility } from './event-types.dto.js';

const MAX_CHOSEN = 200;

export class ImportEventTypes {
  /** An OpenAPI 3.1 or AsyncAPI 2 or 3 document: as an object, or as JSON or YAML text. */
  @ApiProperty({ oneOf: [{ type: 'object', additionalProperties: true }, { type: 'string' }] })
  @AsSent() @ValidateBy({ name: 'isDocument', validator: { validate: (value) => isObject(value) || typeof value === 'string', defaultMessage: () => 'must be an object or a string' } })
  document: Record<string, unknown> | string;

  /** Schemas under `components.schemas` to make types of as well: the name of each, and the name its type gets. */
  @ApiPropertyOptional({ type: 'object', additionalProperties: { type: 'string' }, example: { OrderCreated: 'order.created' } })
  @IfGiven() @AsSent() @IsObject() @ValidateBy({ name: 'areNames', validator: { validate: (value) => isObject(value) && Object.keys(value).length <= MAX_CHOSEN && Object.values(value).every((name) => typeof name === 'string'), defaultMessage: () => `must hold at most ${MAX_CHOSEN} names` } })
  schemas?: Record<string, string>;

  /** What new versions must keep; each type's own, when absent. New types get it as theirs. */
  @IfGiven() @IsCompatibility()
  compatibility?: Compatibility;

  /** Only say what would be done. */
  @IfGiven() @IsBoolean()
  dry_run: boolean = false;
}

export class ImportedType {
  name: string;
  @ApiProperty({ enum: ['created', 'version_created', 'unchanged'] })
  action: 'created' | 'version_created' | 'unchanged';
  @ApiProperty({ type: 'integer', nullable: true })
  version: number | null;
  /** Where in the document it is described. */
  pointer: string;
}

export class RefusedPart {
  /** Where in the document. */
  pointer: string;
  detail: string;
}

export class ImportResult {
  dry_run: boolean;
  data: ImportedType[];
  /** What could not be imported, and why. */
  refused: RefusedPart[];
}
