import type { LoggerService } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { setTimeout } from 'node:timers/promises';
import { AppModule } from './app.module.js';
import { serveOpenApi } from './openapi.js';
import { checkSealingKey, Clock, type Config, ConfigError, createLog, createServer, Database, type EmbeddedPostgres, findDurabilityFaults, Health, Jobs, type Log, Metrics, migrate, Outage, Sealer, startEmbeddedPostgres, version } from './platform/index.js';

/** A running Lakehook. */
export interface Lakehook {
  /** Where the API answers, without a trailing slash. */
  url: string;
  databaseUrl: string;
  app: NestFastifyApplication;
  /** Takes no more work, ends what is in flight, and stops everything that was started. */
  stop(): Promise<void>;
}

/**
 * Starts everything: database, migrations, the application, the workers, the listener; in this order, so that whoever can
 * reach the port can rely on all of it. `signal` ends a start that is still waiting.
 */
export async function startLakehook(config: Config, { clock = new Clock(), log = createLog(config), onProgress = (_step: string) => {}, signal = new AbortController().signal } = {}): Promise<Lakehook> {
  const embedded = config.DATABASE_URL ? undefined : await startEmbeddedPostgres(config.DATA_DIR, onProgress);
  const databaseUrl = config.DATABASE_URL ?? embedded!.url;
  try {
    const applied = await migrateWhenReachable(databaseUrl, onProgress, signal);
    if (applied.length > 0) log.info({ migrations: applied }, 'database brought up to date');
    const faults = config.POSTGRES_DURABILITY === 'required' ? await findDurabilityFaults(databaseUrl) : [];
    if (faults.length > 0) throw new ConfigError(faults);
    signal.throwIfAborted();
    return await startApp(config, clock, log, databaseUrl, embedded);
  } catch (error) {
    await embedded?.stop();
    throw error;
  }
}

async function startApp(config: Config, clock: Clock, log: Log, databaseUrl: string, embedded: EmbeddedPostgres | undefined): Promise<Lakehook> {
  const metrics = new Metrics();
  const adapter = createServer(config, log, metrics);
  const app = await NestFactory.create<NestFastifyApplication>(AppModule.forRoot({ config, log, metrics, clock, databaseUrl }), adapter, { logger: nestLogger(log), bodyParser: false, abortOnError: false });
  serveOpenApi(app, version);
  const jobs = app.get(Jobs);
  const health = app.get(Health);
  health.add('database', () => app.get(Outage).watch(() => app.get(Database).ping()));
  try {
    await checkSealingKey(app.get(Database), app.get(Sealer), log);
    await jobs.connect(databaseUrl);
    await app.init();
    if (config.runsWorkers) await jobs.work();
    await app.listen(config.PORT, config.HOST);
  } catch (error) {
    await app.close().catch(() => {});
    await jobs.stop(1_000).catch(() => {});
    throw error;
  }
  const { port } = adapter.getInstance().server.address() as { port: number };
  return {
    url: `http://127.0.0.1:${port}`,
    databaseUrl,
    app,
    async stop() {
      health.draining = true;
      // No new work from anywhere; requests and jobs that run end. Then attempts end (DispatchLoop) and the pools close.
      await Promise.all([adapter.close(), jobs.stop(config.SHUTDOWN_TIMEOUT_MS / 3)]);
      await app.close();
      await embedded?.stop();
    },
  };
}

/** What the framework itself has to say, in the same log. Its account of every route it maps is nobody's news. */
function nestLogger(log: Log): LoggerService {
  const at = (level: 'warn' | 'error' | 'fatal') => (message: unknown, ...detail: unknown[]) => log[level]({ detail: detail.map(String) }, `framework: ${String(message)}`);
  return { log: () => {}, warn: at('warn'), error: at('error'), fatal: at('fatal') };
}

/** Brings the database up to date; waits up to a minute for one that is itself still starting, as in compose. Answers what it applied. */
export async function migrateWhenReachable(databaseUrl: string, onProgress: (step: string) => void, signal: AbortSignal): Promise<string[]> {
  for (const deadline = Date.now() + 60_000; ; ) {
    try {
      return await migrate(databaseUrl);
    } catch (error) {
      const code = (error as { code?: string }).code ?? '';
      // Refused, unresolved, or still starting up.
      if (!/^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|ECONNRESET|57P03)$/.test(code) || Date.now() > deadline) throw error;
      onProgress(`waiting for the database (${code})`);
      await setTimeout(1_000, undefined, { signal });
    }
  }
}
