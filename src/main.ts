import 'reflect-metadata';
import { type Lakehook, migrateWhenReachable, startLakehook } from './app.js';
import { ConfigError, createLog, readConfig } from './platform/index.js';

// sysexits.h: configuration error.
const EX_CONFIG = 78;

/** Progress goes to people, on stderr; the log on stdout is for machines. */
const say = (text: string): void => void process.stderr.write(`lakehook: ${text}\n`);

async function main(): Promise<void> {
  const config = readConfig();
  const starting = new AbortController();
  if (config.ROLE === 'migrate') {
    if (!config.DATABASE_URL) throw new ConfigError(['ROLE=migrate needs DATABASE_URL']);
    stopOnSignal(starting, Promise.reject(new Error('nothing runs')), config.SHUTDOWN_TIMEOUT_MS);
    say(`applied ${(await migrateWhenReachable(config.DATABASE_URL, say, starting.signal)).join(', ') || 'nothing: the database is up to date'}`);
    process.exit(0);
  }
  const log = createLog(config);
  const started = startLakehook(config, { log, onProgress: say, signal: starting.signal });
  stopOnSignal(starting, started, config.SHUTDOWN_TIMEOUT_MS);
  const { url } = await started;
  say(`ready at ${url} (API docs at ${url}/docs)`);
  log.info({ port: config.PORT, role: config.ROLE }, 'ready');
}

/** From the first moment: as PID 1 of a container, a process without handlers ignores these signals. */
function stopOnSignal(starting: AbortController, started: Promise<Lakehook>, timeoutMs: number): void {
  let stopping = false;
  const stop = async (signal: string): Promise<void> => {
    if (stopping) return;
    stopping = true;
    say(`${signal}: finishing what is in flight`);
    // Whatever hangs, the process is gone then: by default before an orchestrator's 30 seconds are over.
    setTimeout(() => process.exit(1), timeoutMs + 4_000).unref();
    starting.abort();
    const lakehook = await started.catch(() => undefined);
    await lakehook?.stop();
    process.exit(0);
  };
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => void stop(signal).catch(fail));
  started.catch(() => {});
}

function fail(error: unknown): void {
  if (error instanceof Error && error.name === 'AbortError') return;
  say(error instanceof ConfigError ? error.message : isPortTaken(error) ? `port ${error.port} is taken by another program. Stop it, or set PORT to another one.` : `could not go on: ${error instanceof Error ? error.stack : String(error)}`);
  process.exit(error instanceof ConfigError ? EX_CONFIG : 1);
}

function isPortTaken(error: unknown): error is { port: number } {
  return (error as { code?: unknown } | undefined)?.code === 'EADDRINUSE';
}

main().catch(fail);
