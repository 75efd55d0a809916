import { pino, type Logger } from 'pino';
import type { Config } from '../config/config.js';

/** The process's logger: pino JSON on stdout, one canonical line per request, job run and attempt. */
export abstract class Log {
  abstract info: Logger['info'];
  abstract warn: Logger['warn'];
  abstract error: Logger['error'];
  abstract debug: Logger['debug'];
  abstract fatal: Logger['fatal'];
}

/**
 * Lines are buffered for up to 4 KiB or 200 ms so that logging costs no system call per request; what is left is written on exit.
 * What must never be logged (keys, secrets, payloads, query strings) is kept out by never passing it; there is no scrubbing.
 */
export function createLog(config: Config): Log {
  const destination = pino.destination({ dest: 1, sync: false, minLength: 4096, periodicFlush: 200 });
  return pino({ level: config.LOG_LEVEL, base: undefined, timestamp: pino.stdTimeFunctions.isoTime }, destination);
}
