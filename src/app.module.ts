import { type DynamicModule, Module } from '@nestjs/common';
import { AuthModule } from './auth/index.js';
import { CostModule } from './cost/index.js';
import { DatalakeModule } from './datalake/index.js';
import { DeliveryModule } from './delivery/index.js';
import { EventsModule } from './events/index.js';
import { FeaturesModule } from './features/index.js';
import { IngestModule } from './ingest/index.js';
import { type Foundation, PlatformModule } from './platform/index.js';

/** Domains in the order in which data flows through them, which is also the order in which they may import each other. */
@Module({})
export class AppModule {
  static forRoot(foundation: Foundation): DynamicModule {
    return { module: AppModule, imports: [PlatformModule.forRoot(foundation), AuthModule, FeaturesModule, EventsModule, IngestModule, DeliveryModule, CostModule, DatalakeModule] };
  }
}
