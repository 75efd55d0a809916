import { hostname } from 'node:os';
import { Injectable } from '@nestjs/common';
import { Database, Health, isDatabaseAway, Log, Metrics, uuidv7 } from '../../platform/index.js';
import { heartbeat, SILENT_AFTER_MS, takeOverSilent } from './claim.sql.js';

const HEARTBEAT_MS = 1_000;

/**
 * Says every second that this dispatcher is alive, and takes over the claims of those that have fallen silent. A dispatcher that
 * was itself declared silent (it was paused, or cut off) goes on under a new id; its late outcomes are fenced off by the old one.
 */
@Injectable()
export class Presence {
  /** The id that claims are made under. */
  id = '';
  private beats: NodeJS.Timeout | undefined;
  private beating = false;
  private lastBeat = 0;
  /** Since when our heartbeats have been getting through without a gap. */
  private steadySince = 0;

  constructor(private readonly db: Database, private readonly health: Health, private readonly log: Log, private readonly metrics: Metrics) {}

  /** `onTakeOver` is called when deliveries have become due by it. */
  async begin(onTakeOver: () => void): Promise<void> {
    await this.register();
    this.beats = setInterval(() => void this.beat(onTakeOver), HEARTBEAT_MS);
    this.health.add('dispatcher', () => {
      if (performance.now() - this.lastBeat > 2 * SILENT_AFTER_MS) throw new Error('no heartbeat reaches the database');
    });
  }

  /** Ends the heartbeats. With claims `leftOver` the row stays, so that others see it fall silent and take them. */
  async end(leftOver: boolean): Promise<void> {
    clearInterval(this.beats);
    if (!leftOver) await this.db.client.dispatcher.deleteMany({ where: { dispatcherId: this.id } }).catch(() => {});
  }

  private async register(): Promise<void> {
    this.id = uuidv7(Date.now());
    await this.db.client.dispatcher.create({ data: { dispatcherId: this.id, host: hostname(), pid: process.pid } });
    this.lastBeat = this.steadySince = performance.now();
  }

  private async beat(onTakeOver: () => void): Promise<void> {
    // A slow database must not make several of them declare us unknown, each with a new id.
    if (this.beating) return;
    this.beating = true;
    try {
      const known = await heartbeat(this.db.client, this.id);
      const now = performance.now();
      // After a gap (ours, or the database's) the others get as long to report as we had to be silent before we judge them.
      if (now - this.lastBeat > 3 * HEARTBEAT_MS) this.steadySince = now;
      this.lastBeat = now;
      if (!known) await this.register();
      if (now - this.steadySince < SILENT_AFTER_MS) return;
      const taken = await this.db.transaction((tx) => takeOverSilent(tx, this.id));
      if (taken === 0) return;
      this.metrics.claimsTakenOver.inc(taken);
      this.log.warn({ taken }, 'took over the claims of a dispatcher that fell silent');
      onTakeOver();
    } catch (error) {
      if (!isDatabaseAway(error)) this.log.error({ err: error }, 'dispatcher heartbeat failed');
    } finally {
      this.beating = false;
    }
  }
}
