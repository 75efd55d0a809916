import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { Database, Log, Metrics, Sealer, uuidv7 } from '../../platform/index.js';
import type { LiveSource } from '../sources/live-sources.js';
import type { Inbound, Refusal } from '../verify/verify.js';
import { trimQuarantine } from './quarantine.sql.js';
import { Trickle } from './trickle.js';

/** What is kept per source; the oldest make room. */
const KEPT = { rows: 1_000, bytes: 64 * 1024 * 1024 };
/** What may wait in this process to be written. */
const WAITING = { rows: 500, bytes: 32 * 1024 * 1024 };
const WRITE_AFTER_MS = 50;
const MAX_DETAIL = 500;

interface Kept {
  source: Pick<LiveSource, 'sourceId' | 'tenantId'>;
  inbound: Inbound;
  refusal: Refusal;
  receivedAt: number;
}

/** What is sealed of a request: everything that it could be verified by again, credentials among it. */
export type KeptRequest = Pick<Inbound, 'url' | 'headers'>;

export const requestPlace = (quarantineId: string): string => `quarantined_requests.request:${quarantineId}`;

/**
 * Keeps requests that could not be verified, so that they can be once the secret is mended. Written behind the answer, and
 * bounded everywhere, for anybody who knows the URL can cause it: what is too much is counted and let go.
 */
@Injectable()
export class Quarantine implements OnModuleDestroy {
  private readonly trickle = new Trickle();
  private waiting: Kept[] = [];
  private waitingBytes = 0;
  private writing: Promise<void> | undefined;

  constructor(private readonly db: Database, private readonly sealer: Sealer, private readonly metrics: Metrics, private readonly log: Log) {}

  /** Never waits and never throws. */
  keep(source: LiveSource, inbound: Inbound, refusal: Refusal, receivedAt: number): void {
    const bytes = inbound.body.length;
    if (this.waiting.length >= WAITING.rows || this.waitingBytes + bytes > WAITING.bytes || !this.trickle.take(source.sourceId, performance.now())) {
      this.metrics.quarantineDropped.inc();
      return;
    }
    this.waiting.push({ source, inbound, refusal, receivedAt });
    this.waitingBytes += bytes;
    this.writing ??= new Promise((resolve) => setTimeout(resolve, WRITE_AFTER_MS)).then(() => this.write());
  }

  async onModuleDestroy(): Promise<void> {
    await this.writing;
  }

  /** What comes while it writes is written next. */
  private async write(): Promise<void> {
    while (this.waiting.length > 0) {
      const rows = this.waiting;
      this.waiting = [];
      try {
        await this.db.transaction(async (tx) => {
          await tx.quarantinedRequest.createMany({ data: rows.map((row) => this.columns(row)) });
          await trimQuarantine(tx, [...new Set(rows.map(({ source }) => source.sourceId))], KEPT);
        });
      } catch (error) {
        this.metrics.quarantineDropped.inc(rows.length);
        this.log.warn({ requests: rows.length, err: error }, 'requests that could not be verified were not kept');
      }
      this.waitingBytes -= rows.reduce((sum, { inbound }) => sum + inbound.body.length, 0);
    }
    this.writing = undefined;
  }

  private columns({ source, inbound, refusal, receivedAt }: Kept) {
    const quarantineId = uuidv7(receivedAt);
    const request: KeptRequest = { url: inbound.url, headers: inbound.headers };
    return {
      quarantineId, tenantId: source.tenantId, sourceId: source.sourceId, receivedAt: new Date(receivedAt), reason: refusal.reason, detail: refusal.detail.slice(0, MAX_DETAIL),
      request: this.sealer.seal(JSON.stringify(request), requestPlace(quarantineId)), byteCount: inbound.body.length, body: new Uint8Array(inbound.body),
    };
  }
}
