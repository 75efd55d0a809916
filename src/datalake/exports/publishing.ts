import { Injectable } from '@nestjs/common';
import { Events, type NewEvent } from '../../events/index.js';
import { Clock, Database, type ExportFile, laneOn, StoreFault } from '../../platform/index.js';
import { partitionsOfTable } from './exports.sql.js';
import { type Held, inTurn, stagedOf, type Wanted } from './held.js';
import { findManifest, findStanding, manifestKey } from './lake.js';
import { partitionOfKey } from '../layout/layout.js';
import { Lost } from './lease.js';
import { areSame, type FoundManifest, type ListedPartition, listPartition, replaceRange, writeManifest } from '../layout/manifest.js';

/** Files shown at once. */
const AT_ONCE = 4;
/** How often the manifest is read again that somebody else, who does not keep to our claims, wrote at the same moment. */
const MANIFEST_TRIES = 5;

/** What an export has come to. */
export interface Outcome {
  files: number;
  rows: number;
  bytes: number;
  unchanged: boolean;
}

/**
 * Shows what was staged: every file, then away with the files of the same days that are none of it, then the manifest. From the
 * first file on there is only forward: each step can be repeated, so whoever takes over after a crash begins from the beginning and
 * comes to the same end. The export has succeeded with the commit that also appends its event.
 */
@Injectable()
export class Publishing {
  constructor(private readonly db: Database, private readonly events: Events, private readonly clock: Clock) {}

  async publish(held: Wanted): Promise<Outcome> {
    const { row: { exportId, target } } = held;
    const files = await this.db.client.exportFile.findMany({ where: { exportId }, orderBy: { key: 'asc' } });
    await inTurn(files.filter(({ state }) => state === 'staged'), AT_ONCE, (file) => this.show(held, file));
    const isPast = await this.findPast(held, files);
    const removed = target === 'lake' ? await this.removeStale(held, files, isPast) : 0;
    const isListed = await this.list(held, files, isPast);
    const outcome = {
      files: files.length, rows: files.reduce((sum, { rows }) => sum + Number(rows), 0), bytes: files.reduce((sum, { bytes }) => sum + Number(bytes), 0),
      unchanged: isListed && removed === 0 && files.every(({ state }) => state === 'kept'),
    };
    await this.end(held, outcome);
    return outcome;
  }

  /** Takes back what was shown of an export that cannot come to its end, as far as nothing stood there before. Best effort. */
  async withdraw(held: Held): Promise<void> {
    const { row: { exportId, prefix }, place: { store, at } } = held;
    const listed = new Set((await findManifest(held))?.manifest.partitions.flatMap(({ files }) => files.map(({ path }) => `${prefix}/${path}`)));
    const shown = await this.db.client.exportFile.findMany({ where: { exportId, state: 'published' } });
    held.lease.check();
    await store.remove(shown.filter(({ key }) => !listed.has(key)).map(({ key }) => at(key)));
  }

  private async show({ row: { exportId }, lease, place }: Wanted, file: ExportFile): Promise<void> {
    lease.check();
    const { etag } = await place.store.publish(stagedOf(file, place));
    Object.assign(file, { state: 'published', etag });
    await this.db.client.exportFile.update({ where: { exportId_key: { exportId, key: file.key } }, data: { state: 'published', etag } });
  }

  /** Which days have no rows because their retention is over, as their table has no partition for them any more: what a lake has of them stays. */
  private async findPast({ plan: { dataset } }: Wanted, files: ExportFile[]): Promise<(day: string) => boolean> {
    const [units, own] = [await partitionsOfTable(this.db.client, dataset.table), new Set(files.map(({ partition }) => partition))];
    return (day) => !own.has(day) && !units.has(day.replaceAll('-', '')) && !units.has(day.slice(0, 7).replace('-', ''));
  }

  /** Removes our files of the days that this export replaces and does not have itself: parts that are no more, other extensions, days without rows. */
  private async removeStale(held: Wanted, files: ExportFile[], isPast: (day: string) => boolean): Promise<number> {
    const { row: { prefix }, lease, place: { store, at }, plan: { dataset: { fileName } } } = held;
    const own = new Set(files.map(({ key }) => key));
    const stale = [...(await findStanding(held)).keys()].filter((key) => !own.has(key) && !isPast(partitionOfKey(key, { prefix, fileName })!));
    lease.check();
    if (stale.length > 0) await store.remove(stale.map(at));
    return stale.length;
  }

  /** Has the manifest say what is there now. Answers whether it did already. */
  private async list(held: Wanted, files: ExportFile[], isPast: (day: string) => boolean): Promise<boolean> {
    const { row, lease, place: { store, at }, plan: { dataset, format, units, columns }, from, to } = held;
    for (let tries = 1; tries <= MANIFEST_TRIES; tries++) {
      const found = await findManifest(held);
      const previous = found?.manifest.partitions ?? [];
      const fresh = listAll(held, files, previous);
      const next = row.target === 'lake' ? replaceRange(previous, { from, to }, fresh, isPast) : fresh;
      if (found && areSame(previous, next)) return isOlder(found, row.exportId);
      const head = {
        dataset: dataset.name, format: format.kind, schema_version: dataset.schemaVersion, schema: columns.map(({ name, type, nullable }) => ({ name, type, nullable })), partition_by: [...units],
        export_id: row.exportId, written_at: new Date(this.clock.now()).toISOString(), previous_sha256: found?.sha256 ?? null,
      };
      lease.check();
      if (await store.put(at(manifestKey(row)), writeManifest(head, next), { contentType: 'application/json', ifMatch: found?.etag ?? null })) return found !== undefined && areSame(previous.map(withoutFingerprint), next.map(withoutFingerprint));
    }
    throw new StoreFault('write', 'refused', `Somebody else keeps writing ${at(manifestKey(row))}.`);
  }

  private async end({ row, lease: { claim }, from, to }: Wanted, { rows, bytes, unchanged }: Outcome): Promise<void> {
    await this.db.transaction(async (tx) => {
      const { exportId, tenantId } = row;
      const { count } = await tx.export.updateMany({
        where: { exportId, claimedBy: claim, status: 'publishing' },
        data: { status: 'succeeded', rowCount: rows, byteCount: bytes, unchanged, error: null, finishedAt: new Date(this.clock.now()), claimedBy: null, leaseUntil: null },
      });
      if (count === 0) throw new Lost();
      const event: NewEvent = { eventType: 'export.completed', data: JSON.stringify({ export_id: exportId, dataset: row.dataset, format: row.format, from, to, row_count: rows, byte_count: bytes }), metadata: '{}' };
      await this.events.append(laneOn(tx), tenantId, [event]);
    });
  }
}

/** The partitions that files on record make, in order; what was kept is listed as it was, under the fingerprint of now. */
function listAll({ row: { exportId, prefix, snapshotAt, compression }, plan: { dataset } }: Wanted, files: ExportFile[], previous: ListedPartition[]): ListedPartition[] {
  const listed = new Map(previous.map((partition) => [partition.partition, partition]));
  return [...Map.groupBy(files, ({ partition }) => partition)].map(([partition, some]) => {
    const { state, fingerprint } = some[0]!;
    const kept = state === 'kept' ? listed.get(partition) : undefined;
    if (kept) return { ...kept, fingerprint };
    return listPartition(
      { partition, export_id: exportId, snapshot_at: snapshotAt!.toISOString(), schema_version: dataset.schemaVersion, compression, fingerprint },
      some.map(({ key, bytes, sha256, rows, sums, etag }) => ({ path: key.slice(prefix.length + 1), bytes: Number(bytes), sha256, rows: Number(rows), sums: sums as Record<string, string>, etag: etag! })),
    );
  });
}

/** Whether a manifest is from before an export, rather than from a try of its own that got no further. */
function isOlder({ manifest }: FoundManifest, exportId: string): boolean {
  return manifest.export_id !== exportId;
}

function withoutFingerprint(partition: ListedPartition): ListedPartition {
  return { ...partition, fingerprint: '' };
}
