import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/index.js';
import { EventsModule } from '../events/index.js';
import { FeaturesModule } from '../features/index.js';
import { Admission } from './admission/admission.js';
import { Capture } from './capture.js';
import { PublishController } from './publish.controller.js';

/**
 * # Ingest: the front gate
 *
 * The way of one publish: `admission/` turns it away where it could not be stored soon (`shedder.ts`) → `publish.controller` has the events read from the body's text → `capture.ts` gathers what arrives at
 * the same time into one transaction of the log → the commit → 202.
 *
 * Guaranteed: 202 means kept. What is refused by admission is not stored, in no part. An event that cannot be stored never sinks the others of its batch.
 */
@Module({
  imports: [AuthModule, FeaturesModule, EventsModule],
  controllers: [PublishController],
  providers: [Admission, Capture],
})
export class IngestModule {}
