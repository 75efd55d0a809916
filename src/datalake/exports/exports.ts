import { Injectable } from '@nestjs/common';
import { Audit, type Caller } from '../../auth/index.js';
import { Clock, Database, dayOf, type Export, type ExportFile, pageOf, Prisma, Problem, readCursor, StoreFault, type Tx, uuidv7 } from '../../platform/index.js';
import { findDataset, mayRead, requireScope } from '../datasets/datasets.js';
import { Destinations } from '../destinations/destinations.js';
import { Clearing } from './clearing.js';
import { ExportLoop } from './export-loop.js';
import { type CreateExport, type ExportFileView, type ExportPage, type ExportView, type ListExports } from './exports.dto.js';
import { claimDeletion, lockExport } from './exports.sql.js';
import { lakePrefix, privatePrefix } from '../layout/layout.js';
import { Lease } from './lease.js';
import { Places } from './places.js';
import { readOptions, readRange } from './plan.js';

type Row = Export & { files?: ExportFile[] };
type Filter = Pick<ListExports, 'status' | 'dataset' | 'format' | 'target' | 'destination_id'>;

/** While the destination cannot be reached. */
const RETRY_AFTER_SECONDS = 10;

/** Exports as callers see them. {@link ExportLoop} works them. */
@Injectable()
export class Exports {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly audit: Audit,
    private readonly destinations: Destinations,
    private readonly places: Places,
    private readonly clearing: Clearing,
    private readonly loop: ExportLoop,
  ) {}

  /** Refuses a destination that cannot be read just now. Asks the store, so it is called before any transaction. */
  async requireReadable(caller: Caller, { destination_id }: CreateExport): Promise<void> {
    if (destination_id === undefined || !(await this.destinations.isKnown(this.db.client, caller, destination_id))) return;
    const fault = await this.destinations.findFault(caller.tenantId, destination_id);
    if (fault !== undefined) throw Problem.invalid({ pointer: '/destination_id', detail: `cannot be used: ${fault}` });
  }

  /** Queues an export. `exportId` is given where the same request must not make another one. Worked within a moment of the commit; {@link wake} makes it at once. */
  async create(tx: Tx, caller: Caller, command: CreateExport, exportId = uuidv7(this.clock.now())): Promise<ExportView> {
    const known = await tx.export.findFirst({ where: { exportId, tenantId: caller.tenantId } });
    if (known) return viewOf(known);
    const [plan, range] = [readOptions(command), readRange(command)];
    const faults = [plan, range].flatMap((read) => (Array.isArray(read) ? read : []));
    const destinationId = command.destination_id?.toLowerCase() ?? null;
    if (destinationId && !(await this.destinations.isKnown(tx, caller, destinationId))) faults.push({ pointer: '/destination_id', detail: 'is no destination' });
    if (faults.length > 0 || Array.isArray(plan) || Array.isArray(range)) throw Problem.invalid(...faults);
    requireScope(caller, plan.dataset);
    const { dataset, format, target, units } = plan;
    const prefix = target === 'lake' ? lakePrefix(dataset.name, format.kind) : privatePrefix(exportId, dataset.name);
    const now = new Date(this.clock.now());
    const row = await tx.export.create({
      data: {
        exportId, tenantId: caller.tenantId, dataset: dataset.name, format: format.kind, compression: format.compression, formulaSafe: command.formula_safe ?? false,
        fromDay: new Date(range.from), toDay: new Date(range.to), partitionBy: [...units], columns: command.columns ?? [], filter: (command.filter as Prisma.InputJsonObject | undefined) ?? Prisma.DbNull,
        target, destinationId, prefix, lakeKey: target === 'lake' ? `${caller.tenantId}/${destinationId ?? 'disk'}/${prefix}` : null, status: 'queued', runAt: now, createdAt: now,
      },
    });
    await this.record(tx, caller, 'created', row, { after: { ...command, target } });
    return viewOf(row);
  }

  /** Has a new export begin at once. Called after the commit. */
  wake(): void {
    this.loop.wake();
  }

  async list(tx: Tx, caller: Caller, { status, destination_id, ...filter }: Filter, limit: number, cursor?: string): Promise<ExportPage> {
    const after = readCursor(cursor);
    const rows = await tx.export.findMany({
      where: {
        tenantId: caller.tenantId, ...filter, destinationId: destination_id, status: status === undefined ? { not: 'deleting' } : { in: status === 'running' ? ['running', 'publishing'] : [status] },
        ...(after && { OR: [{ createdAt: { lt: new Date(after[0]) } }, { createdAt: new Date(after[0]), exportId: { lt: after[1] } }] }),
      },
      orderBy: [{ createdAt: 'desc' }, { exportId: 'desc' }], take: limit + 1,
    });
    return pageOf(rows, limit, (row) => [row.createdAt.toISOString(), row.exportId], viewOf);
  }

  async get(tx: Tx, caller: Caller, exportId: string): Promise<ExportView> {
    const row = await this.find(tx, caller, exportId);
    const files = row.status === 'succeeded' ? await tx.exportFile.findMany({ where: { exportId }, orderBy: { key: 'asc' } }) : [];
    const dataset = findDataset(row.dataset);
    return viewOf({ ...row, files: dataset && mayRead(caller, dataset) ? files : files.map((file) => ({ ...file, sums: {} })) });
  }

  /** The row of a caller's export, or 404. */
  async find(tx: Tx, caller: Caller, exportId: string): Promise<Export> {
    const row = await tx.export.findFirst({ where: { exportId, tenantId: caller.tenantId, status: { not: 'deleting' } } });
    if (!row) throw Problem.notFound('export');
    return row;
  }

  /** Ends an export that shows nothing yet. What it has staged is discarded by whoever works exports. */
  async cancel(caller: Caller, exportId: string): Promise<ExportView> {
    const view = await this.db.transaction(async (tx) => {
      await lockExport(tx, exportId);
      const row = await this.find(tx, caller, exportId);
      if (row.status === 'cancelled') return viewOf(row);
      if (row.status === 'publishing') throw new Problem('conflict', 'The export is showing its files already. Wait for its end, then delete it.');
      if (row.status !== 'queued' && row.status !== 'running') throw new Problem('conflict', `The export has ${row.status} already.`);
      const after = await tx.export.update({ where: { exportId }, data: { status: 'cancelled', leftovers: row.leftovers || row.startedAt !== null, failures: 0, runAt: new Date(this.clock.now()), finishedAt: new Date(this.clock.now()), claimedBy: null, leaseUntil: null } });
      await this.record(tx, caller, 'cancelled', row, {});
      return viewOf(after);
    });
    this.loop.cut(exportId);
    this.loop.wake();
    return view;
  }

  /** Begins one again that failed or was cancelled. */
  async retry(caller: Caller, exportId: string): Promise<ExportView> {
    const view = await this.db.transaction(async (tx) => {
      await lockExport(tx, exportId);
      const row = await this.find(tx, caller, exportId);
      if (row.status !== 'failed' && row.status !== 'cancelled') throw new Problem('conflict', `The export is ${shownStatus(row)}. Only one that has failed or was cancelled can be tried again.`);
      const after = await tx.export.update({
        where: { exportId },
        data: { status: 'queued', failures: 0, error: null, runAt: new Date(this.clock.now()), startedAt: null, finishedAt: null, snapshotAt: null, totalRows: null, rowCount: 0, readBytes: 0, byteCount: 0 },
      });
      await this.record(tx, caller, 'retried', row, {});
      return viewOf(after);
    });
    this.loop.wake();
    return view;
  }

  /**
   * Deletes an export that has ended, with the files that are still its own. When the store cannot be reached for now, it is deleted as
   * soon as it can be; when the store refuses, nothing is deleted.
   */
  async delete(caller: Caller, exportId: string): Promise<void> {
    const claim = uuidv7(this.clock.now());
    const row = await this.db.transaction(async (tx) => {
      await lockExport(tx, exportId);
      const found = await this.find(tx, caller, exportId);
      if (!found.finishedAt) throw new Problem('conflict', `The export is ${shownStatus(found)}. Cancel it first.`);
      if (!(await claimDeletion(tx, exportId, claim))) throw new Problem('conflict', 'Another export is changing the same lake. Try again when it has ended.', { retryAfterSeconds: RETRY_AFTER_SECONDS });
      await this.record(tx, caller, 'deleted', found, { before: { dataset: found.dataset, format: found.format, target: found.target, prefix: found.prefix } });
      return found;
    });
    const lease = new Lease(this.db, row, claim);
    try {
      await this.remove(row, lease);
    } catch (error) {
      await this.keepUndeleted(caller, row, claim, error);
    } finally {
      lease.end();
    }
  }

  private async remove(row: Export, lease: Lease): Promise<void> {
    const place = await this.places.open(row);
    try {
      const held = { row, lease, place };
      if (row.leftovers) await this.clearing.discardLeftovers(held);
      await this.clearing.removeFiles(held);
      await this.clearing.forget(row, lease.claim);
    } finally {
      place.store.close();
    }
  }

  private async keepUndeleted(caller: Caller, row: Export, claim: string, error: unknown): Promise<never> {
    const { exportId, status } = row;
    const free = { claimedBy: null, leaseUntil: null };
    const lasting = !(error instanceof StoreFault) || error.isPassing ? undefined : error;
    await this.db.transaction(async (tx) => {
      const { count } = await tx.export.updateMany({ where: { exportId, claimedBy: claim }, data: { ...free, ...(lasting && { status }) } });
      if (lasting && count > 0) await this.record(tx, caller, 'kept', row, { after: { reason: lasting.message } });
    });
    if (lasting) throw new Problem('conflict', `The files could not be removed: ${lasting.message}`);
    throw error instanceof StoreFault ? new Problem('unavailable', `The files are removed as soon as their store answers: ${error.message}`, { retryAfterSeconds: RETRY_AFTER_SECONDS, cause: error }) : error;
  }

  private record(tx: Tx, caller: Caller, verb: string, { exportId }: Export, change: { before?: object; after?: object }): Promise<void> {
    return this.audit.record(tx, caller, { action: `export.${verb}`, subject_type: 'export', subject_id: exportId, ...change });
  }
}

function viewOf(row: Row): ExportView {
  const { totalRows } = row;
  const isDone = row.status === 'succeeded';
  return {
    export_id: row.exportId, dataset: row.dataset, format: row.format, compression: row.compression, from: dayOf(row.fromDay), to: dayOf(row.toDay), partition_by: row.partitionBy,
    columns: row.columns.length > 0 ? row.columns : null, filter: row.filter as Record<string, unknown> | null, formula_safe: row.formulaSafe,
    target: row.target, destination_id: row.destinationId, prefix: row.prefix, status: shownStatus(row),
    // The last hundredth is showing the files.
    progress: isDone ? 1 : totalRows === null ? 0 : totalRows === 0n ? 0.99 : Math.min(0.99, Number(row.rowCount) / Number(totalRows)),
    total_row_count: totalRows === null ? null : Number(totalRows), row_count: Number(row.rowCount), read_byte_count: Number(row.readBytes), byte_count: Number(row.byteCount), unchanged: row.unchanged,
    snapshot_at: row.snapshotAt?.toISOString() ?? null, error: row.error, created_at: row.createdAt.toISOString(), started_at: row.startedAt?.toISOString() ?? null, finished_at: row.finishedAt?.toISOString() ?? null,
    ...(row.files && { files: row.files.map(fileViewOf) }),
  };
}

function fileViewOf({ key, partition, bytes, sha256, rows, sums, state }: ExportFile): ExportFileView {
  return { key, partition, bytes: Number(bytes), sha256, row_count: Number(rows), sums: sums as Record<string, string>, unchanged: state === 'kept' };
}

function shownStatus({ status }: Export): string {
  return status === 'publishing' ? 'running' : status;
}
