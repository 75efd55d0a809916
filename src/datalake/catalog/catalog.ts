import { Injectable } from '@nestjs/common';
import type { Caller } from '../../auth/index.js';
import { Problem } from '../../platform/index.js';
import type { Dataset } from '../datasets/dataset.js';
import { Destinations } from '../destinations/destinations.js';
import { lakePrefix } from '../layout/layout.js';
import { athena } from './athena.js';
import type { AskDdl, DdlView } from './catalog.dto.js';
import { duckdb } from './duckdb.js';
import type { Engine } from './lake.js';
import { spark } from './spark.js';
import { trino } from './trino.js';

const ENGINES: Record<AskDdl['engine'], Engine> = { duckdb, athena, trino, spark };

/** How engines are told of the shared lake of a dataset, whether or not something was exported to it yet. */
@Injectable()
export class Catalog {
  constructor(private readonly destinations: Destinations) {}

  async describe({ tenantId }: Caller, dataset: Dataset, { engine, format = 'parquet', destination_id }: AskDdl): Promise<DdlView> {
    const { settings, root } = await this.destinations.storeOf(tenantId, destination_id ?? null);
    const read = ENGINES[engine]({ dataset, format, store: settings, prefix: root + lakePrefix(dataset.name, format) });
    if ('by' in read) throw Problem.invalid({ pointer: `?${read.by}`, detail: read.detail });
    return { dataset: dataset.name, engine, format, ...read };
  }
}
