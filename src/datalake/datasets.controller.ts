import { Controller, Get, Param, Query } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import { Allow, type Caller, CurrentCaller } from '../auth/index.js';
import { Problem } from '../platform/index.js';
import { AskDdl, DdlView } from './catalog/catalog.dto.js';
import { Catalog } from './catalog/catalog.js';
import type { Dataset } from './datasets/dataset.js';
import { DatasetPage, DatasetView } from './datasets/datasets.dto.js';
import { datasets, findDataset } from './datasets/datasets.js';

@ApiTags('Data lake')
@ApiBearerAuth()
@Controller('v1/datalake/datasets')
export class DatasetsController {
  constructor(private readonly catalog: Catalog) {}

  /** Lists what can be exported: columns with their types, the partition column, the order of rows. */
  @Get() @Allow('datalake:read')
  list(): DatasetPage {
    return { data: datasets.map(DatasetView.of), next_cursor: null };
  }

  @Get(':name') @Allow('datalake:read')
  get(@Param('name') name: string): DatasetView {
    return DatasetView.of(requireDataset(name));
  }

  /** The statements that make the dataset's shared lake a table of an engine. */
  @Get(':name/ddl') @Allow('datalake:read')
  ddl(@CurrentCaller() caller: Caller, @Param('name') name: string, @Query() query: AskDdl): Promise<DdlView> {
    return this.catalog.describe(caller, requireDataset(name), query);
  }
}

function requireDataset(name: string): Dataset {
  const dataset = findDataset(name);
  if (!dataset) throw Problem.notFound('dataset');
  return dataset;
}
