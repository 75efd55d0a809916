import { Controller, Get, Param } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import { Allow } from '../auth/index.js';
import { Problem } from '../platform/index.js';
import { DatasetPage, DatasetView } from './datasets/datasets.dto.js';
import { datasets, findDataset } from './datasets/datasets.js';

@ApiTags('Data lake')
@ApiBearerAuth()
@Controller('v1/datalake/datasets')
export class DatasetsController {
  /** Lists what can be exported: columns with their types, the partition column, the order of rows. */
  @Get() @Allow('datalake:read')
  list(): DatasetPage {
    return { data: datasets.map(DatasetView.of), next_cursor: null };
  }

  @Get(':name') @Allow('datalake:read')
  get(@Param('name') name: string): DatasetView {
    const dataset = findDataset(name);
    if (!dataset) throw Problem.notFound('dataset');
    return DatasetView.of(dataset);
  }
}
