import { Injectable } from '@nestjs/common';
import { Courtesy, Database, isDatabaseAway, TableWriter, type WrittenFile } from '../../platform/index.js';
import { type Day, daysOf, selectOf } from '../datasets/rows.sql.js';
import { inTurn, stagedOf, type Wanted } from './held.js';
import { findLake, type Lake } from './lake.js';
import { extensionOf, FILE_BYTES, keyOf } from '../layout/layout.js';
import { Lost } from './lease.js';
import type { ListedFile } from '../layout/manifest.js';
import { type Partition, partitionsOf } from './partitions.js';

/** Staged files told to a store at once. */
const AT_ONCE = 4;

/**
 * Stages all files of an export, partition by partition, from one snapshot. What is finished is on record, with the fingerprint of
 * its rows: whoever goes on after a crash has a snapshot of their own, and takes over just what looks the same in it.
 */
@Injectable()
export class Writing {
  constructor(private readonly db: Database, private readonly courtesy: Courtesy) {}

  async write(held: Wanted): Promise<void> {
    const { row: { tenantId, exportId, target }, lease, place, plan, from, to } = held;
    const writer = await TableWriter.open({ databaseUrl: this.db.url, store: place.settings, signal: lease.signal, share: () => this.courtesy.shareOfBulk() });
    try {
      const days = await writer.rows(daysOf(plan.dataset, { tenantId, from, to, filter: plan.filter }));
      const partitions = partitionsOf(days as unknown as Day[], plan);
      await this.update(held, { totalRows: partitions.reduce((sum, { rows }) => sum + rows, 0), snapshotAt: writer.snapshotAt });
      const finished = await this.takeOver(held, partitions);
      const lake = target === 'lake' ? await findLake(held) : undefined;
      for (const partition of partitions) if (!finished.has(partition.name)) await this.writePartition(held, writer, partition, lake);
    } finally {
      await writer.close();
    }
    await this.update(held, { status: 'publishing', failures: 0 });
    held.row = await this.db.client.export.findUniqueOrThrow({ where: { exportId } });
  }

  /** Notes something of the export, if it is still ours to be written. */
  private async update({ row: { exportId }, lease: { claim } }: Wanted, data: { status?: string; failures?: number; totalRows?: number; snapshotAt?: Date }): Promise<void> {
    const { count } = await this.db.client.export.updateMany({ where: { exportId, claimedBy: claim, status: 'running' }, data });
    if (count === 0) throw new Lost();
  }

  /** Forgets what was finished of other rows than those of now. Answers the names of the partitions that need not be written again. */
  private async takeOver({ row: { exportId }, place, lease: { progress } }: Wanted, partitions: Partition[]): Promise<Set<string>> {
    const wanted = new Map(partitions.map((partition) => [partition.name, partition]));
    const files = await this.db.client.exportFile.findMany({ where: { exportId } });
    const fits = files.filter(({ state, partition, fingerprint }) => state === 'staged' && wanted.get(partition)?.fingerprint === fingerprint);
    const others = files.filter((file) => !fits.includes(file));
    await inTurn(others.filter(({ state }) => state === 'staged'), AT_ONCE, (file) => place.store.discard(stagedOf(file, place)));
    if (others.length > 0) await this.db.client.exportFile.deleteMany({ where: { exportId, key: { in: others.map(({ key }) => key) } } });
    for (const { rows, bytes } of fits) {
      progress.rows += Number(rows);
      progress.bytes += Number(bytes);
    }
    return new Set(fits.map(({ partition }) => partition));
  }

  private async writePartition(held: Wanted, writer: TableWriter, partition: Partition, lake: Lake | undefined): Promise<void> {
    const { row: { prefix, tenantId }, place, lease: { progress }, plan: { dataset, format, columns, filter } } = held;
    const standing = lake?.partitionOf(partition.name);
    if (standing?.fingerprint === partition.fingerprint) return this.keep(held, partition, standing.files);
    const before = { ...progress };
    const select = selectOf(dataset, { tenantId, from: partition.from, to: partition.to, filter, columns: columns.map(({ name }) => name) });
    const key = place.at(keyOf({ prefix, fileName: dataset.fileName, extension: extensionOf(format) }, partition.name));
    const metadata = { dataset: dataset.name, schema_version: String(dataset.schemaVersion) };
    const files = await writer.write({ select, columns: columns.map(({ name, type, nullable, dictionary }) => ({ name, type, nullable, dictionary })), format, key, fileBytes: FILE_BYTES, metadata }, ({ rows, bytes }) => {
      progress.rows = before.rows + rows;
      progress.readBytes = before.readBytes + bytes;
    });
    progress.rows = before.rows;
    if (standing && areListed(files, standing.files, (path) => place.at(`${prefix}/${path}`))) {
      await this.discard(held, files);
      return this.keep(held, partition, standing.files);
    }
    try {
      await this.record(held, partition, 'staged', files.map(({ key: storeKey, bytes, sha256, rows, sums, token }) => ({ key: place.from(storeKey), bytes, sha256, rows, sums, token })));
    } catch (error) {
      // When Postgres went away, they may be on record all the same; if not, the sweep finds them.
      if (!isDatabaseAway(error)) await this.discard(held, files);
      throw error;
    }
  }

  /** What is there already is as it would be written. */
  private keep(held: Wanted, partition: Partition, files: ListedFile[]): Promise<void> {
    return this.record(held, partition, 'kept', files.map(({ path, ...file }) => ({ ...file, key: `${held.row.prefix}/${path}` })));
  }

  /** Puts all files of a partition on record at once: it is finished when one of them is there. */
  private async record({ row: { exportId }, lease: { claim, progress } }: Wanted, { name, fingerprint }: Partition, state: 'staged' | 'kept', files: (Omit<WrittenFile, 'token'> & { token?: string; etag?: string })[]): Promise<void> {
    await this.db.transaction(async (tx) => {
      const { count } = await tx.export.updateMany({ where: { exportId, claimedBy: claim, status: 'running' }, data: state === 'staged' ? { failures: 0 } : { status: 'running' } });
      if (count === 0) throw new Lost();
      await tx.exportFile.createMany({ data: files.map((file) => ({ ...file, exportId, partition: name, state, fingerprint })) });
    });
    for (const { rows, bytes } of files) {
      progress.rows += rows;
      progress.bytes += bytes;
    }
  }

  private discard({ place: { store } }: Wanted, files: WrittenFile[]): Promise<void> {
    return inTurn(files, AT_ONCE, (file) => store.discard(file));
  }
}

/** Whether files are, name by name, those that a manifest lists. */
function areListed(files: WrittenFile[], listed: ListedFile[], keyOfPath: (path: string) => string): boolean {
  const sums = new Map(listed.map(({ path, sha256 }) => [keyOfPath(path), sha256]));
  return files.length === listed.length && files.every(({ key, sha256 }) => sums.get(key) === sha256);
}
