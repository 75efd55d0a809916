import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/index.js';
import { DatasetsController } from './datasets.controller.js';

/**
 * # Data lake: data out as files
 *
 * `datasets/` declares what can leave: its columns, the day that decides a row's partition, a unique order. From a declaration
 * follows the SQL of an export (`rows.sql.ts`), what a filter may ask (`filter.ts`) and what engines are told of its files.
 *
 * Guaranteed: files show what the API shows to a key that may not see sensitive fields, and nothing beside; whoever takes a dataset
 * out must be allowed to read it.
 */
@Module({
  imports: [AuthModule],
  controllers: [DatasetsController],
})
export class DatalakeModule {}
