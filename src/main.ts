import 'reflect-metadata';
import { type Lakehook, startLakehook } from './app.js';
import { ConfigError, createLog, migrate, readConfig } from './platform/index.js';

// sysexits.h: configuration error.
const EX_CONFIG = 78;

/** Progress goes to people, on stderr; the log on stdout is for machines. */
const say = (text: string): void => void process.stderr.write(`lakehook: ${text}\n`);

async function main(): Promise<void> {
  const config = readConfig();
  const log = createLog(config);
  if (config.ROLE === 'migrate') {
    if (!config.DATABASE_URL) throw new ConfigError(['ROLE=migrate needs DATABASE_URL']);
    say(`applied ${(await migrate(config.DATABASE_URL)).join(', ') || 'nothing: the database is up to date'}`);
    return;
  }
  const lakehook = await startLakehook(config, { log, onProgress: say });
  say(`ready at ${lakehook.url} (API docs at ${lakehook.url}/docs)`);
  log.info({ port: config.PORT, role: config.ROLE }, 'ready');
  stopOnSignal(lakehook);
}

function stopOnSignal(lakehook: Lakehook): void {
  let stopping = false;
  const stop = (signal: string): void => {
    if (stopping) return;
    stopping = true;
    say(`${signal}: finishing what is in flight`);
    // Whatever hangs, the process is gone before an orchestrator's 30 seconds are over.
    setTimeout(() => process.exit(1), 29_000).unref();
    lakehook.stop().then(() => process.exit(0), (error: unknown) => {
      say(`stopping failed: ${String(error)}`);
      process.exit(1);
    });
  };
  process.on('SIGINT', () => stop('SIGINT'));
  process.on('SIGTERM', () => stop('SIGTERM'));
}

main().catch((error: unknown) => {
  say(error instanceof ConfigError ? error.message : `could not start: ${error instanceof Error ? error.stack : String(error)}`);
  process.exit(error instanceof ConfigError ? EX_CONFIG : 1);
});
