import { hash } from 'node:crypto';
import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { Database, derivedUuid, LeakyBuckets, Log, Metrics, Outage, Sealer, uuidv7 } from '../../platform/index.js';
import type { InboundEvent } from '../inbound.js';
import type { LiveSource } from '../sources/live-sources.js';
import type { Inbound, Refusal } from '../verify/verify.js';
import { trimQuarantine } from './quarantine.sql.js';

/** What is kept per source of requests that were not believed, and as much again of those that were; the oldest make room. */
const KEPT = { rows: 1_000, bytes: 64 * 1024 * 1024 };
/** What may wait in this process to be written; half of it is for what was believed. */
const WAITING = { rows: 500, bytes: 32 * 1024 * 1024 };
/** What may be written per source of what anybody can cause. */
const UNBELIEVED = { per_second: 20, burst: 100 };
const WRITE_AFTER_MS = 50;
const MAX_DETAIL = 500;

interface Kept {
  quarantineId: string;
  source: Pick<LiveSource, 'sourceId' | 'tenantId' | 'token'>;
  inbound: Inbound;
  reason: Refusal['reason'] | 'invalid';
  detail: string;
  receivedAt: number;
  /** What the same request again is known by. */
  repeat?: Buffer<ArrayBuffer>;
  settle?: (isKept: boolean) => void;
}

/** What is sealed of a request: everything that it could be verified by again, credentials among it, and the token of its URL, which a `public_url` need not show. */
export type KeptRequest = Pick<Inbound, 'url' | 'headers'> & Pick<LiveSource, 'token'>;

export const requestPlace = (quarantineId: string): string => `quarantined_requests.request:${quarantineId}`;

/** Why a request is kept, as long as it can be stored. */
export function detailOf(detail: string): string {
  return detail.slice(0, MAX_DETAIL).toWellFormed();
}

/** Gives events that the provider has no ids for such as they get whenever the quarantined request is stored, so that each is stored once. */
export function giveStableIds(quarantineId: string, events: InboundEvent[]): void {
  for (const [index, event] of events.entries()) if (!event.known) event.eventId = derivedUuid(quarantineId, index);
}

/**
 * Keeps requests that could not be verified, so that they can be once the secret is mended, and those that the schemas of their
 * types refuse. Bounded everywhere, for anybody who knows the URL can cause the former: what is too much is counted and let go.
 */
@Injectable()
export class Quarantine implements OnModuleDestroy {
  private readonly unbelieved = new LeakyBuckets();
  private waiting: Kept[] = [];
  private waitingBytes = 0;
  private writing: Promise<void> | undefined;

  constructor(private readonly db: Database, private readonly outage: Outage, private readonly sealer: Sealer, private readonly metrics: Metrics, private readonly log: Log) {}

  /** Keeps one that was not believed, behind the answer. Never waits and never throws. */
  keep(source: LiveSource, inbound: Inbound, { reason, detail }: Refusal, receivedAt: number): void {
    if (this.unbelieved.tryPour(source.sourceId, 1, UNBELIEVED, performance.now()) > 0) this.metrics.quarantineDropped.inc();
    else this.add({ quarantineId: uuidv7(receivedAt), source, inbound, reason, detail, receivedAt });
  }

  /**
   * Keeps one that was believed. Answers under which id once it is committed, or undefined when it is not kept. One that all
   * events have ids of the provider's is kept once, however often it is sent.
   */
  async keepInvalid(source: LiveSource, inbound: Inbound, events: InboundEvent[], detail: string, receivedAt: number): Promise<string | undefined> {
    const quarantineId = uuidv7(receivedAt);
    const ids = events.flatMap(({ known }) => known?.providerEventId ?? []);
    const repeat = ids.length === events.length ? hash('sha256', Buffer.concat([Buffer.from(JSON.stringify(ids)), inbound.body]), 'buffer') : undefined;
    const isKept = await new Promise<boolean>((settle) => this.add({ quarantineId, source, inbound, reason: 'invalid', detail, receivedAt, repeat: repeat && Buffer.from(repeat), settle }));
    return isKept ? quarantineId : undefined;
  }

  async onModuleDestroy(): Promise<void> {
    await this.writing;
  }

  private add(kept: Kept): void {
    const bytes = kept.inbound.body.length;
    const share = kept.settle ? 1 : 0.5;
    if (this.waiting.length >= WAITING.rows * share || this.waitingBytes + bytes > WAITING.bytes * share) {
      this.metrics.quarantineDropped.inc();
      kept.settle?.(false);
      return;
    }
    this.waiting.push(kept);
    this.waitingBytes += bytes;
    this.writing ??= new Promise((resolve) => setTimeout(resolve, WRITE_AFTER_MS)).then(() => this.write());
  }

  /** What comes while it writes is written next. Somebody waits for what was believed: it goes first, and by itself. */
  private async write(): Promise<void> {
    while (this.waiting.length > 0) {
      const rows = this.waiting;
      this.waiting = [];
      await this.settle(rows.filter(({ settle }) => settle));
      await this.settle(rows.filter(({ settle }) => !settle));
    }
    this.writing = undefined;
  }

  private async settle(rows: Kept[]): Promise<void> {
    if (rows.length === 0) return;
    const isKept = await this.store(rows).then(() => true, (error: unknown) => {
      this.metrics.quarantineDropped.inc(rows.length);
      this.log.warn({ requests: rows.length, err: error }, 'requests for the quarantine were not kept');
      return false;
    });
    this.waitingBytes -= rows.reduce((sum, { inbound }) => sum + inbound.body.length, 0);
    for (const { settle } of rows) settle?.(isKept);
  }

  private async store(rows: Kept[]): Promise<void> {
    await this.outage.watch(() => this.db.transaction(async (tx) => {
      await tx.quarantinedRequest.createMany({ data: rows.map((row) => this.columns(row)), skipDuplicates: true });
      await trimQuarantine(tx, [...new Set(rows.map(({ source }) => source.sourceId))], KEPT);
    }));
  }

  private columns({ quarantineId, source, inbound, reason, detail, receivedAt, repeat }: Kept) {
    const request: KeptRequest = { url: inbound.url, headers: inbound.headers, token: source.token };
    return {
      quarantineId, tenantId: source.tenantId, sourceId: source.sourceId, receivedAt: new Date(receivedAt), reason, detail: detailOf(detail), repeatSha256: repeat ?? null,
      request: this.sealer.seal(JSON.stringify(request), requestPlace(quarantineId)), byteCount: inbound.body.length, body: new Uint8Array(inbound.body),
    };
  }
}
