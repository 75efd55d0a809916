import { type BeforeApplicationShutdown, Injectable } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { Events, type NewEvent } from '../../events/index.js';
import { Clock, Config, Database, dayOf, type Export, isDatabaseAway, laneOn, Log, Metrics, StoreFault, uuidv7 } from '../../platform/index.js';
import { Clearing } from './clearing.js';
import { claimNext, isAnyOpen } from './exports.sql.js';
import { nextTry, type Phase, reasonOf } from './failure.js';
import type { Held } from './held.js';
import { Lease, Lost } from './lease.js';
import { Places } from './places.js';
import { type Outcome, Publishing } from './publishing.js';
import { wantedOf } from './wanted.js';
import { Writing } from './writing.js';

/** How often a process with a place free looks for exports. */
const LOOK_MS = 250;

/**
 * Works exports: claims what is due, as many at once as the process may, and takes each as far as it comes. Who claims one holds a
 * lease of seconds that every change of its row is bound to, so a process that dies is followed by another, and one that slept
 * can do no more harm than stage files nobody will show.
 *
 * Of a lake (tenant, destination, dataset and format) one export at a time is under way: what it reads of the manifest, it replaces.
 * Two destinations that lead to the same place are beyond that; there the condition on the manifest keeps one from losing the other's days.
 *
 * Not a pg-boss job, for the reasons that `ResendLoop` gives: a lease is free again sooner than a job, and the row says what is to be done.
 */
@Injectable()
export class ExportLoop implements BeforeApplicationShutdown {
  private readonly running = new Map<string, { lease: Lease; done: Promise<void> }>();
  private looking: Promise<void> | undefined;
  private closed = false;

  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly config: Config,
    private readonly log: Log,
    private readonly metrics: Metrics,
    private readonly events: Events,
    private readonly places: Places,
    private readonly writing: Writing,
    private readonly publishing: Publishing,
    private readonly clearing: Clearing,
  ) {}

  /** Something may be due. */
  @Interval(LOOK_MS)
  wake(): void {
    if (!this.config.runsWorkers || this.closed) return;
    this.looking ??= this.look().catch((error: unknown) => {
      if (!isDatabaseAway(error)) this.log.error({ err: error }, 'looking for exports failed');
    }).finally(() => (this.looking = undefined));
  }

  /** Stops working an export whose claim was taken away, without waiting for the next sign of life to find that out. */
  cut(exportId: string): void {
    this.running.get(exportId)?.lease.lose();
  }

  /** Gives claims back, so that others go on at once. */
  async beforeApplicationShutdown(): Promise<void> {
    this.closed = true;
    await this.looking;
    for (const { lease } of this.running.values()) lease.lose();
    await Promise.all([...this.running.values()].map(({ done }) => done));
  }

  private async look(): Promise<void> {
    while (!this.closed && this.running.size < this.config.EXPORT_CONCURRENCY) {
      const now = new Date(this.clock.now());
      if (!(await isAnyOpen(this.db.client, now))) return;
      const claim = uuidv7(now.getTime());
      const exportId = await this.db.transaction((tx) => claimNext(tx, claim, now));
      if (exportId === undefined) return;
      const row = await this.db.client.export.findUniqueOrThrow({ where: { exportId } });
      const lease = new Lease(this.db, row, claim);
      const done = this.work(row, lease).finally(() => {
        lease.end();
        this.running.delete(exportId);
        this.wake();
      });
      this.running.set(exportId, { lease, done });
    }
  }

  /** One claim from beginning to end. Never fails. */
  private async work(row: Export, lease: Lease): Promise<void> {
    const started = performance.now();
    const phase = phaseOf(row);
    let held: Held | undefined;
    try {
      held = { row, lease, place: await this.places.open(row) };
      const outcome = await this.advance(held);
      await this.release(held);
      this.tell(held.row, lease, started, phase === 'clearing' ? 'cleared' : 'succeeded', { ...outcome });
    } catch (error) {
      const state = held?.row ?? row;
      if (lease.signal.aborted || error instanceof Lost) {
        this.tell(state, lease, started, 'lost');
        // Whoever took the claim has it; where it was us who gave it up, it is free now.
        await this.release({ row, lease }).catch(() => {});
      } else if (!(error instanceof StoreFault) && isDatabaseAway(error)) {
        // Nothing can be noted. The lease runs out, and somebody goes on once Postgres is back.
        this.tell(state, lease, started, 'interrupted', { err: error });
      } else await this.fail(state, held, lease, error, started).catch((cause: unknown) => this.log.error({ err: cause, export_id: row.exportId }, 'noting the failure of an export failed'));
    } finally {
      held?.place.store.close();
    }
  }

  private async advance(held: Held): Promise<Outcome | undefined> {
    const { row, lease } = held;
    if (row.leftovers) await this.clearing.discardLeftovers(held);
    if (row.status === 'deleting') {
      await this.clearing.removeFiles(held);
      await this.clearing.forget(row, lease.claim);
    }
    if (row.status !== 'running' && row.status !== 'publishing') return undefined;
    const wanted = wantedOf(held);
    if (row.status === 'running') await this.writing.write(wanted);
    held.row = wanted.row;
    const outcome = await this.publishing.publish(wanted);
    this.metrics.exportedRows.labels(row.dataset, row.format).inc(outcome.rows);
    this.metrics.exportedBytes.labels(row.dataset, row.format).inc(outcome.bytes);
    return outcome;
  }

  /** Has it tried again, or gives it up. */
  private async fail(row: Export, held: Held | undefined, lease: Lease, error: unknown, started: number): Promise<void> {
    const phase = phaseOf(row);
    const where = { exportId: row.exportId, claimedBy: lease.claim };
    const before = await this.db.client.export.findFirst({ where, select: { failures: true } });
    const failures = (before?.failures ?? 0) + 1;
    const wait = nextTry(phase, error, failures);
    const reason = reasonOf(error);
    this.tell(row, lease, started, wait === undefined ? 'failed' : 'retried', { err: error, failures });
    const free = { claimedBy: null, leaseUntil: null };
    if (wait !== undefined) {
      await this.db.client.export.updateMany({ where, data: { ...free, failures, runAt: new Date(this.clock.now() + wait), ...(phase !== 'clearing' && { error: reason }) } });
    } else if (phase === 'clearing') {
      await this.clearing.forgetLeftovers(row.exportId, lease.claim);
      await this.clearing.forget(row, lease.claim);
      await this.release({ row, lease });
    } else {
      if (phase === 'publishing' && held) await this.publishing.withdraw(held).catch((cause: unknown) => this.log.warn({ err: cause, export_id: row.exportId }, 'files of a failed export may be visible'));
      await this.end(row, lease, reason);
    }
  }

  private async end(row: Export, { claim }: Lease, reason: string): Promise<void> {
    const { exportId, tenantId, dataset, format } = row;
    await this.db.transaction(async (tx) => {
      const { count } = await tx.export.updateMany({
        where: { exportId, claimedBy: claim, status: { in: ['running', 'publishing'] } },
        data: { status: 'failed', error: reason, leftovers: true, failures: 0, finishedAt: new Date(this.clock.now()), claimedBy: null, leaseUntil: null },
      });
      if (count === 0) return;
      const event: NewEvent = { eventType: 'export.failed', data: JSON.stringify({ export_id: exportId, dataset, format, from: dayOf(row.fromDay), to: dayOf(row.toDay), error: reason }), metadata: '{}' };
      await this.events.append(laneOn(tx), tenantId, [event]);
    });
  }

  private async release({ row: { exportId }, lease: { claim } }: Pick<Held, 'row' | 'lease'>): Promise<void> {
    await this.db.client.export.updateMany({ where: { exportId, claimedBy: claim }, data: { claimedBy: null, leaseUntil: null } });
  }

  /** The canonical line of one claim. */
  private tell({ exportId, tenantId, dataset, format, target, destinationId }: Export, { progress }: Lease, started: number, outcome: string, more: object = {}): void {
    const seconds = (performance.now() - started) / 1_000;
    this.metrics.exports.labels(outcome).observe(seconds);
    const line = { export_id: exportId, tenant_id: tenantId, dataset, format, target, destination_id: destinationId, outcome, rows: progress.rows, read_bytes: progress.readBytes, bytes: progress.bytes, ...more, duration_ms: Math.round(seconds * 1_000) };
    if (outcome === 'failed' || outcome === 'retried') this.log.warn(line, 'export');
    else this.log.info(line, 'export');
  }
}

function phaseOf({ status }: Export): Phase {
  return status === 'running' ? 'writing' : status === 'publishing' ? 'publishing' : 'clearing';
}
