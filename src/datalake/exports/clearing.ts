import { Injectable } from '@nestjs/common';
import { Clock, Database, type Export } from '../../platform/index.js';
import { filesOfItsOwn } from './exports.sql.js';
import { type Held, inTurn, stagedOf } from './held.js';
import { findManifest, manifestKey } from './lake.js';
import { writeManifest } from '../layout/manifest.js';

const AT_ONCE = 4;

/** Removes files: of exports that came to nothing what they had staged, of deleted ones what is still their own. Each step can be repeated. */
@Injectable()
export class Clearing {
  constructor(private readonly db: Database, private readonly clock: Clock) {}

  /** Discards what an export has staged and never showed. */
  async discardLeftovers({ row: { exportId }, place, lease }: Held): Promise<void> {
    const files = await this.db.client.exportFile.findMany({ where: { exportId, state: 'staged' } });
    await inTurn(files, AT_ONCE, (file) => place.store.discard(stagedOf(file, place)));
    await this.forgetLeftovers(exportId, lease.claim);
  }

  /** From here on nobody cares for them but the sweep. */
  async forgetLeftovers(exportId: string, claim: string): Promise<void> {
    await this.db.transaction(async (tx) => {
      const { count } = await tx.export.updateMany({ where: { exportId, claimedBy: claim, leftovers: true }, data: { leftovers: false, failures: 0 } });
      if (count > 0) await tx.exportFile.deleteMany({ where: { exportId } });
    });
  }

  /** Removes a deleted export's files. Of a lake those that are as it left them and that no other export has too; the manifest forgets them first. */
  async removeFiles(held: Held): Promise<void> {
    if (held.row.target === 'private') return this.removeFolder(held);
    const { row, place: { store, at }, lease } = held;
    const own = await filesOfItsOwn(this.db.client, row.exportId);
    const there = new Set<string>();
    await inTurn(own, AT_ONCE, async ({ key, etag }) => {
      if ((await store.stat(at(key)))?.etag === etag) there.add(key);
    });
    await this.unlist(held, there);
    lease.check();
    await store.remove([...there].map(at));
  }

  /** Forgets an export whose files are gone, or are given up. */
  async forget({ exportId }: Export, claim: string): Promise<void> {
    await this.db.client.export.deleteMany({ where: { exportId, claimedBy: claim, status: 'deleting' } });
  }

  private async removeFolder({ row: { prefix }, place: { store, at }, lease }: Held): Promise<void> {
    const keys: string[] = [];
    for await (const { key } of store.list(at(`${prefix}/`))) keys.push(key);
    lease.check();
    await store.remove(keys);
  }

  private async unlist(held: Held, gone: ReadonlySet<string>): Promise<void> {
    const { row, place: { store, at }, lease } = held;
    const found = await findManifest(held);
    if (!found) return;
    const { partitions, manifest_version: _, row_count: __, byte_count: ___, sums: ____, ...head } = found.manifest;
    const left = partitions.filter(({ files }) => !files.some(({ path }) => gone.has(`${row.prefix}/${path}`)));
    if (left.length === partitions.length) return;
    lease.check();
    if (left.length === 0) return store.remove([at(manifestKey(row))]);
    const written = { ...head, export_id: row.exportId, written_at: new Date(this.clock.now()).toISOString(), previous_sha256: found.sha256 };
    if (!(await store.put(at(manifestKey(row)), writeManifest(written, left), { contentType: 'application/json', ifMatch: found.etag }))) return this.unlist(held, gone);
  }
}
