import { type DynamicModule, Module, type OnApplicationShutdown } from '@nestjs/common';
import { APP_FILTER, APP_PIPE, DiscoveryModule } from '@nestjs/core';
import { ScheduleModule } from '@nestjs/schedule';
import { Clock } from './clock.js';
import { Courtesy } from './pacing/courtesy.js';
import { Config } from './config/config.js';
import { Sealer } from './crypto/sealer.js';
import { openSealer } from './crypto/sealing-key.js';
import { Database } from './db/database.js';
import { HotLane } from './db/hot-lane.js';
import { Outage } from './db/outage.js';
import { ProblemFilter } from './errors/problem.filter.js';
import { Health } from './health.js';
import { HealthController } from './health.controller.js';
import { ValidationPipe } from './http/validation.pipe.js';
import { Jobs } from './jobs/jobs.js';
import { Log } from './observe/log.js';
import { Metrics } from './observe/metrics.js';
import { Dispatcher } from './outbound/dispatcher.js';
import { AddressGuard } from './outbound/guard.js';

/** What exists before any domain does. The process makes these first and hands them in. */
export interface Foundation {
  config: Config;
  log: Log;
  metrics: Metrics;
  clock: Clock;
  databaseUrl: string;
}

/**
 * # Platform: the floor everything stands on; it knows no domain
 *
 * `config` what an operator may set · `db` the pool, migrations, partitions, the embedded server · `errors` one vocabulary,
 * one rendering · `http` the server, bodies, validation, paging, idempotency keys · `jobs` pg-boss behind typed queues ·
 * `outbound` guarded requests to other people's servers · `pacing` gathering, limiting, and what bulk leaves to others · `observe` the log and the metrics · `crypto` sealing.
 */
@Module({})
export class PlatformModule implements OnApplicationShutdown {
  constructor(private readonly db: Database, private readonly hot: HotLane, private readonly dispatcher: Dispatcher) {}

  static forRoot({ config, log, metrics, clock, databaseUrl }: Foundation): DynamicModule {
    const provided = [
      { provide: Config, useValue: config },
      { provide: Log, useValue: log },
      { provide: Metrics, useValue: metrics },
      { provide: Clock, useValue: clock },
      { provide: Database, useFactory: () => new Database(databaseUrl, Math.ceil(config.DATABASE_POOL_SIZE / 2)) },
      // A share of its own: a slow list must never keep an append or a claim waiting for a connection.
      { provide: HotLane, useFactory: () => new HotLane(databaseUrl, Math.floor(config.DATABASE_POOL_SIZE / 2)) },
      { provide: Outage, useFactory: () => new Outage(databaseUrl, log) },
      { provide: Sealer, useFactory: () => openSealer(config) },
      { provide: AddressGuard, useFactory: () => new AddressGuard(config.OUTBOUND_ALLOW_PRIVATE) },
      {
        provide: Dispatcher,
        useFactory: (guard: AddressGuard) => new Dispatcher({
          timeoutMs: config.DELIVERY_TIMEOUT_MS, connectTimeoutMs: config.DELIVERY_CONNECT_TIMEOUT_MS, connections: config.DELIVERY_CONCURRENCY,
        }, guard),
        inject: [AddressGuard],
      },
      Courtesy,
      Health,
      Jobs,
    ];
    return {
      module: PlatformModule,
      global: true,
      imports: [DiscoveryModule, ScheduleModule.forRoot()],
      controllers: [HealthController],
      providers: [
        ...provided,
        { provide: APP_FILTER, useClass: ProblemFilter },
        { provide: APP_PIPE, useClass: ValidationPipe },
      ],
      exports: provided.map((entry) => ('provide' in entry ? entry.provide : entry)),
    };
  }

  async onApplicationShutdown(): Promise<void> {
    await this.dispatcher.close();
    await this.hot.close();
    await this.db.close();
  }
}
