import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Clock, Database, Outage, Remembered, Sealer, type Source, type SourceSecret } from '../../platform/index.js';
import type { Provider } from '../providers/provider.js';
import { PROVIDERS } from '../providers/providers.js';
import { readOptions, type SourceOptions } from './options.js';

/** A source as the gate needs it: its secrets open. */
export interface LiveSource {
  sourceId: string;
  tenantId: string;
  provider: Provider;
  options: SourceOptions;
  dedupTtlMs: number;
  /** Headers that carry its credentials. */
  unwantedHeaders: ReadonlySet<string>;
  /** What is in the URL that led here. */
  token?: string;
  /** The newest first. */
  secrets: { secret: string; expiresAt: number }[];
  /** From when on the token it was found by is good no longer. */
  tokenExpiresAt: number;
  /** Why nothing can be verified, when its secrets do not open. */
  fault?: string;
}

export type SourceRow = Source & { secrets: SourceSecret[] };

/** A looked-up source may be used this long before it is looked up again: what bounds how late a change is seen. */
const CACHE_MS = 800;
const HOUR_MS = 3_600_000;
/** 32 bytes in base64url. */
const TOKEN = /^[\w-]{43}$/;

/** Where a sealed value belongs, for its authentication. */
export const tokenPlace = (sourceId: string): string => `sources.sealed_token:${sourceId}`;
export const secretPlace = (secretId: string): string => `source_secrets.sealed:${secretId}`;

export function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

/** Sources by the token of their URL: remembered for most of a second, and on while Postgres is away. Costs a request no query. */
@Injectable()
export class LiveSources {
  // Real time, not the injected clock: the promise is about seconds as other processes count them.
  private readonly byToken: Remembered<LiveSource | null>;

  constructor(private readonly db: Database, private readonly sealer: Sealer, private readonly clock: Clock, outage: Outage) {
    this.byToken = new Remembered(outage, (token) => this.load(token), { freshMs: CACHE_MS });
  }

  /** The active source that a token leads to. What cannot be a token costs no look-up. */
  async find(token: string): Promise<LiveSource | undefined> {
    const source = TOKEN.test(token) ? await this.byToken.get(token) : null;
    return source && source.tokenExpiresAt > this.clock.now() ? source : undefined;
  }

  /** Has a source looked up again before its next request. */
  forget(token: string): void {
    this.byToken.forget(token);
  }

  private async load(token: string): Promise<LiveSource | null> {
    const digest = new Uint8Array(digestOf(token));
    const row = await this.db.client.source.findFirst({ where: { isActive: true, OR: [{ tokenHash: digest }, { previousTokenHash: digest }] }, include: { secrets: true } });
    if (!row) return null;
    const isPrevious = Buffer.compare(digest, row.tokenHash) !== 0;
    return { ...this.open(row), token, tokenExpiresAt: isPrevious ? (row.previousTokenExpiresAt?.getTime() ?? 0) : Number.POSITIVE_INFINITY };
  }

  open(row: SourceRow): LiveSource {
    const { sourceId, tenantId } = row;
    const options = readOptions(row.options as Record<string, unknown>);
    const source: LiveSource = {
      sourceId, tenantId, provider: PROVIDERS.get(row.provider)!, options, dedupTtlMs: options.dedup_ttl_hours * HOUR_MS, secrets: [], tokenExpiresAt: Number.POSITIVE_INFINITY,
      unwantedHeaders: new Set(typeof options.header === 'string' ? [options.header.toLowerCase()] : []),
    };
    try {
      source.secrets = row.secrets.toSorted((a, b) => (a.secretId < b.secretId ? 1 : -1))
        .map(({ secretId, sealed, expiresAt }) => ({ secret: this.sealer.open(sealed, secretPlace(secretId)), expiresAt: expiresAt?.getTime() ?? Number.POSITIVE_INFINITY }));
    } catch (error) {
      source.fault = `The source's secrets cannot be opened: ${(error as Error).message}`;
    }
    return source;
  }
}

/** Whether a request to a source is genuine, judged at a time. */
export function verifyAt(source: LiveSource, inbound: Parameters<Provider['verify']>[0], receivedAt: number, now: number): ReturnType<Provider['verify']> {
  const secrets = source.secrets.filter(({ expiresAt }) => expiresAt > now).map(({ secret }) => secret);
  return source.provider.verify(inbound, { secrets, toleranceSeconds: source.options.timestamp_tolerance_seconds, now: receivedAt, options: source.options });
}
