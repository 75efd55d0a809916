import { type Database, type Export, isDatabaseAway } from '../../platform/index.js';
import { extendLease, LEASE_SECONDS, type Progress } from './exports.sql.js';

const BEAT_MS = 1_000;

/** Thrown where a claim is found not to hold any more: cancelled, taken over by another process, or given back by a process that stops. */
export class Lost extends Error {
  constructor() {
    super('the claim on the export is lost');
  }
}

/** A claim on an export while it is being worked: a sign of life every second, with the progress, and the news when the claim is lost. */
export class Lease {
  readonly exportId: string;
  readonly progress: Progress;
  private readonly lost = new AbortController();
  private readonly beats = setInterval(() => void this.beat(), BEAT_MS);
  private beating = false;
  private lastBeat = performance.now();

  constructor(private readonly db: Database, { exportId, status, rowCount, readBytes, byteCount }: Export, readonly claim: string) {
    this.exportId = exportId;
    // What is written from the beginning counts from the beginning.
    this.progress = status === 'running' ? { rows: 0, readBytes: 0, bytes: 0 } : { rows: Number(rowCount), readBytes: Number(readBytes), bytes: Number(byteCount) };
  }

  /** Aborts when the claim is lost. */
  get signal(): AbortSignal {
    return this.lost.signal;
  }

  /** Called before everything that cannot be taken back: a process that slept past its lease must not do it. */
  check(): void {
    if (performance.now() - this.lastBeat > LEASE_SECONDS * 1_000) this.lose();
    this.signal.throwIfAborted();
  }

  lose(): void {
    this.lost.abort(new Lost());
  }

  end(): void {
    clearInterval(this.beats);
  }

  private async beat(): Promise<void> {
    if (this.beating) return;
    this.beating = true;
    const sent = performance.now();
    try {
      if (await extendLease(this.db.client, this.exportId, this.claim, this.progress)) this.lastBeat = sent;
      else this.lose();
    } catch (error) {
      // Others may take it over from here on.
      if (!isDatabaseAway(error) || sent - this.lastBeat > LEASE_SECONDS * 1_000) this.lose();
    } finally {
      this.beating = false;
    }
  }
}
