import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/index.js';
import { EventsModule } from '../events/index.js';
import { FeaturesModule } from '../features/index.js';
import { Admission } from './admission/admission.js';
import { Config, Log, Spool } from '../platform/index.js';
import { Capture } from './capture.js';
import { Conflicts } from './dedup/conflicts.js';
import { Ledger } from './dedup/ledger.js';
import { Gate } from './gate/gate.js';
import { Validation } from './gate/validation.js';
import { GateController } from './gate.controller.js';
import { PublishController } from './publish.controller.js';
import { Quarantine } from './quarantine/quarantine.js';
import { Reverification } from './quarantine/reverification.js';
import { InboundRetention } from './retention.js';
import { LiveSources } from './sources/live-sources.js';
import { Sources } from './sources/sources.js';
import { SourcesController } from './sources.controller.js';
import { Drainer } from './spool/drainer.js';

/**
 * # Ingest: the front gate
 *
 * The way of one publish: `admission/` turns it away where it could not be stored soon (`shedder.ts`) → `publish.controller` has
 * the events read from the body's text → `capture.ts` gathers what arrives at the same time into one transaction of the log →
 * the commit → 202.
 *
 * The way of one request to a source: `gate.controller` takes its bytes → `sources/live-sources.ts` knows whose URL it is,
 * without a query → `verify/` believes it or not (`quarantine/` keeps what it does not) → `gate/read-request.ts` has its
 * `providers/` say what it is, and makes events of it → `gate/validation.ts` holds them against their schemas, if the source
 * wants that → `capture.ts` as above, where `dedup/ledger.ts` first sifts out what the
 * provider has sent before → the commit → 202, or what the provider demands.
 *
 * While Postgres does not answer, `capture.ts` puts what it has into the spool (`platform/spool`) instead, and `spool/drainer.ts`
 * stores it later.
 *
 * Guaranteed: 202 means kept, in the log or in the spool, and stored once; what came in is kept byte for byte. What is refused
 * by admission is not stored, in no part. An event that cannot be stored never sinks the others of its batch. Of a provider's id
 * one event is stored, across days and processes, for as long as the source remembers ids.
 */
@Module({
  imports: [AuthModule, FeaturesModule, EventsModule],
  controllers: [PublishController, GateController, SourcesController],
  providers: [
    Admission, Capture, Ledger, Conflicts, LiveSources, Sources, Gate, Validation, Quarantine, Reverification, InboundRetention, Drainer,
    { provide: Spool, useFactory: (config: Config, log: Log) => config.spoolFolder && Spool.open(config.spoolFolder, config.INGEST_SPOOL_MAX_BYTES, log), inject: [Config, Log] },
  ],
})
export class IngestModule {}
