import { join } from 'node:path';
import { plainToInstance, Transform, Type } from 'class-transformer';
import { IsBoolean, IsIn, IsInt, IsOptional, IsString, IsUrl, Matches, Max, Min, MinLength, validateSync } from 'class-validator';
import { AddressGuard } from '../outbound/guard.js';

/**
 * Everything an operator can set, as environment variables of the same names. An empty variable counts as unset.
 * docs/configuration.md is generated from these docblocks.
 */
export class Config {
  /** What this process does: `all`, `api` (HTTP only), `worker` (deliveries and jobs; serves health and metrics only) or `migrate` (bring the database up to date, then exit). */
  @IsIn(['all', 'api', 'worker', 'migrate'])
  ROLE: 'all' | 'api' | 'worker' | 'migrate' = 'all';

  /** TCP port of the HTTP server. */
  @Type(() => Number) @IsInt() @Min(0) @Max(65535)
  PORT: number = 8080;

  /** Address the HTTP server listens on. */
  @IsString()
  HOST: string = '0.0.0.0';

  /** Postgres 15 or newer, as a connection URL. Unset, the server runs a PostgreSQL of its own under `DATA_DIR`. */
  @IsOptional() @IsUrl({ protocols: ['postgres', 'postgresql'], require_protocol: true, require_tld: false })
  DATABASE_URL?: string;

  /** Whether to start only on a Postgres that loses no commit in a crash: `required` looks at `fsync`, `full_page_writes` and `synchronous_commit`, `trusted` is for one that is safe without them. */
  @IsIn(['required', 'trusted'])
  POSTGRES_DURABILITY: 'required' | 'trusted' = 'required';

  /** Connections this process may hold to Postgres, beside up to 5 of its job queue. */
  @Type(() => Number) @IsInt() @Min(4) @Max(200)
  DATABASE_POOL_SIZE: number = 12;

  /** Folder for the embedded database, the generated sealing key and the spool. */
  @IsString()
  DATA_DIR: string = './data';

  /** An admin key of your own choosing, 24 characters or more. Unset, the first start makes one and prints it once. Changing it revokes the previous value; removing it does not. */
  @IsOptional() @IsString() @MinLength(24)
  LAKEHOOK_ADMIN_KEY?: string;

  /** Key that seals webhook secrets at rest: 32 bytes in base64. Several, comma separated: the first seals, all open. Unset, one is generated in `DATA_DIR/sealing.key`. */
  @IsOptional() @Matches(/^[A-Za-z0-9+/]{43}=(,\s*[A-Za-z0-9+/]{43}=)*$/, { message: 'SEALING_KEY must hold 32 bytes in base64, or several such keys separated by commas' })
  SEALING_KEY?: string;

  /** Days that events, deliveries and attempts are kept. */
  @Type(() => Number) @IsInt() @Min(1) @Max(3650)
  EVENT_RETENTION_DAYS: number = 30;

  /** Days that dead letters are kept and can be redriven; never longer than `EVENT_RETENTION_DAYS`. */
  @Type(() => Number) @IsInt() @Min(1) @Max(3650)
  DEAD_LETTER_RETENTION_DAYS: number = 14;

  /** Largest request body, in bytes. Routes that take many records at once (`POST /v1/cost/records`) take four times as much. */
  @Type(() => Number) @IsInt() @Min(1024) @Max(64 * 1024 * 1024)
  MAX_BODY_BYTES: number = 5 * 1024 * 1024;

  /** Milliseconds in which a request must have arrived, to the last byte of its body. */
  @Type(() => Number) @IsInt() @Min(500) @Max(600_000)
  REQUEST_TIMEOUT_MS: number = 30_000;

  /** Milliseconds in which the headers of a request must have arrived; never more than `REQUEST_TIMEOUT_MS`. */
  @Type(() => Number) @IsInt() @Min(500) @Max(600_000)
  HEADERS_TIMEOUT_MS: number = 10_000;

  /** Connections that the HTTP server holds at once. Further ones are closed as they come. */
  @Type(() => Number) @IsInt() @Min(10) @Max(1_000_000)
  MAX_CONNECTIONS: number = 10_000;

  /** Milliseconds that what comes in may be kept waiting for its transaction. When even the luckiest wait longer, publishes are refused with 503 until they no longer do. */
  @Type(() => Number) @IsInt() @Min(10) @Max(60_000)
  ADMISSION_TARGET_MS: number = 100;

  /** Whether events that arrive while Postgres is away go to a spool in `DATA_DIR/spool` and are acknowledged: `on`, or `off` to answer 503. */
  @IsIn(['on', 'off'])
  INGEST_SPOOL: 'on' | 'off' = 'on';

  /** Bytes that the spool of one process may take. Beyond them events are refused with 503. */
  @Type(() => Number) @IsInt() @Min(1024) @Max(1024 ** 4)
  INGEST_SPOOL_MAX_BYTES: number = 1024 * 1024 * 1024;

  /** Milliseconds that Postgres may take to commit events before they go to the spool. */
  @Type(() => Number) @IsInt() @Min(50) @Max(30_000)
  INGEST_SPOOL_AFTER_MS: number = 600;

  /** Private destinations that webhooks may reach: `true` for loopback and private ranges (never link-local or metadata addresses), or a comma-separated list of CIDR ranges. Unset, only public addresses. */
  @IsOptional() @IsString()
  OUTBOUND_ALLOW_PRIVATE?: string;

  /** Storage of your own that destinations of the data lake may name although it stands at a private address: S3-compatible servers by their origin, separated by commas, such as `http://s3:8333`. Any tenant may name them; their keys decide who gets in. */
  @IsOptional() @IsString()
  STORAGE_PRIVATE_ENDPOINTS?: string;

  /** Milliseconds in which nothing moves before a request to a destination of the data lake is given up, to be tried again. */
  @Type(() => Number) @IsInt() @Min(500) @Max(600_000)
  STORAGE_TIMEOUT_MS: number = 30_000;

  /** Whether only events of registered types are taken: `true` refuses others with 422. */
  @Transform(({ value }) => (value === 'true' ? true : value === 'false' ? false : (value as unknown))) @IsBoolean({ message: 'STRICT_EVENT_TYPES must be true or false' })
  STRICT_EVENT_TYPES: boolean = false;

  /** Webhooks that one tenant may have. */
  @Type(() => Number) @IsInt() @Min(1) @Max(100_000)
  WEBHOOKS_PER_TENANT: number = 1_000;

  /** Sources that one tenant may have. */
  @Type(() => Number) @IsInt() @Min(1) @Max(100_000)
  SOURCES_PER_TENANT: number = 1_000;

  /** Schedules of exports that one tenant may have. */
  @Type(() => Number) @IsInt() @Min(1) @Max(100_000)
  SCHEDULES_PER_TENANT: number = 100;

  /** Attempts in flight at once in this process. */
  @Type(() => Number) @IsInt() @Min(1) @Max(10_000)
  DELIVERY_CONCURRENCY: number = 1024;

  /** Attempts in flight at once to one webhook, per process. */
  @Type(() => Number) @IsInt() @Min(1) @Max(1_000)
  DELIVERY_CONCURRENCY_PER_WEBHOOK: number = 64;

  /** Milliseconds an attempt may take, from the look-up of the host to the last byte of the answer. */
  @Type(() => Number) @IsInt() @Min(100) @Max(60_000)
  DELIVERY_TIMEOUT_MS: number = 15_000;

  /** Milliseconds connecting to a receiver may take. */
  @Type(() => Number) @IsInt() @Min(100) @Max(60_000)
  DELIVERY_CONNECT_TIMEOUT_MS: number = 5_000;

  /** Exports that this process writes at once, each with a connection to Postgres and a thread of its own. */
  @Type(() => Number) @IsInt() @Min(1) @Max(32)
  EXPORT_CONCURRENCY: number = 1;

  /** Days that private exports are kept, with their files, and those that failed or were cancelled without. The shared lake stays. */
  @Type(() => Number) @IsInt() @Min(1) @Max(3650)
  EXPORT_RETENTION_DAYS: number = 30;

  /** Milliseconds a stopping process may spend finishing what is in flight. */
  @Type(() => Number) @IsInt() @Min(1_000) @Max(300_000)
  SHUTDOWN_TIMEOUT_MS: number = 25_000;

  /** Least severe log line that is written. */
  @IsIn(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
  LOG_LEVEL: string = 'info';

  /** Milliseconds a dead letter is kept: without its event it could not be sent again. */
  get deadLetterRetentionMs(): number {
    return Math.min(this.DEAD_LETTER_RETENTION_DAYS, this.EVENT_RETENTION_DAYS) * 86_400_000;
  }

  /** Origins, as URLs tell theirs. */
  get privateEndpoints(): string[] {
    return listOf(this.STORAGE_PRIVATE_ENDPOINTS).map((text) => new URL(text).origin);
  }

  /** Where the spool is, unless this process has none. */
  get spoolFolder(): string | undefined {
    return this.servesApi && this.INGEST_SPOOL === 'on' ? join(this.DATA_DIR, 'spool') : undefined;
  }

  get servesApi(): boolean {
    return this.ROLE === 'all' || this.ROLE === 'api';
  }

  get runsWorkers(): boolean {
    return this.ROLE === 'all' || this.ROLE === 'worker';
  }
}

/** Raised with every fault of the environment at once. */
export class ConfigError extends Error {
  constructor(readonly faults: string[]) {
    super(`The configuration is not usable:\n${faults.map((fault) => `  - ${fault}`).join('\n')}`);
  }
}

/** Reads and checks the environment. Throws {@link ConfigError}. */
export function readConfig(env: NodeJS.ProcessEnv = process.env): Config {
  const known = Object.keys(new Config()).concat('DATABASE_URL', 'LAKEHOOK_ADMIN_KEY', 'SEALING_KEY', 'OUTBOUND_ALLOW_PRIVATE', 'STORAGE_PRIVATE_ENDPOINTS');
  const given = Object.fromEntries(known.flatMap((name) => (env[name] ? [[name, env[name]]] : [])));
  const config = plainToInstance(Config, given, { exposeDefaultValues: true });
  const faults = validateSync(config).flatMap((error) => Object.values(error.constraints ?? {}));
  try {
    void new AddressGuard(config.OUTBOUND_ALLOW_PRIVATE);
  } catch {
    faults.push('OUTBOUND_ALLOW_PRIVATE must be `true`, or CIDR ranges separated by commas');
  }
  if (!listOf(config.STORAGE_PRIVATE_ENDPOINTS).every((text) => /^https?:\/\/[^/?#@\s]+\/?$/.test(text) && URL.canParse(text))) faults.push('STORAGE_PRIVATE_ENDPOINTS must be URLs without a path, such as http://s3:8333, separated by commas');
  if (faults.length > 0) throw new ConfigError(faults);
  return config;
}

function listOf(text = ''): string[] {
  return text.split(',').map((part) => part.trim()).filter(Boolean);
}
