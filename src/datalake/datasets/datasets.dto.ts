import { ApiProperty } from '@nestjs/swagger';
import type { Dataset, DatasetColumn } from './dataset.js';
import { operatorsOf } from './filter.js';

const TYPES = ['text', 'uuid', 'json', 'integer', 'double', 'boolean', 'date', 'timestamp', 'decimal'];
const OPERATORS = ['eq', 'ne', 'gt', 'gte', 'lt', 'lte', 'in', 'prefix'];

export class DatasetColumnView {
  name: string;
  description: string;
  /** `timestamp` is UTC with microseconds, `json` the text of a JSON value. */
  @ApiProperty({ enum: TYPES })
  type: string;
  /** Of a decimal: digits behind the point. */
  @ApiProperty({ type: 'integer', nullable: true })
  scale: number | null;
  nullable: boolean;
  /** What a filter may ask of it. */
  @ApiProperty({ enum: OPERATORS, isArray: true })
  operators: string[];

  static of(column: DatasetColumn): DatasetColumnView {
    const { name, description, type, nullable } = column;
    const [word, scale] = typeof type === 'string' ? [type, null] : ['decimal', type.decimal];
    return { name, description, type: word, scale, nullable, operators: [...operatorsOf(column)] };
  }
}

export class DatasetView {
  name: string;
  description: string;
  /** What the names of its files begin with. */
  file_name: string;
  /** Counts the changes to its columns. */
  schema_version: number;
  /** The scope that a key needs, beside those of the data lake, to export it. */
  scope: string;
  /** The column whose UTC day says in which partition a row stands. */
  partition_column: string;
  /** The order of rows within a partition. */
  sort: string[];
  columns: DatasetColumnView[];

  static of(dataset: Dataset): DatasetView {
    return {
      name: dataset.name, description: dataset.description, file_name: dataset.fileName, schema_version: dataset.schemaVersion, scope: dataset.scope,
      partition_column: dataset.day.name, sort: dataset.order.map(({ name }) => name), columns: dataset.columns.map(DatasetColumnView.of),
    };
  }
}

export class DatasetPage {
  data: DatasetView[];
  next_cursor: string | null;
}
