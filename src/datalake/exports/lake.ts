import { type Stat, StoreFault, wholeOf } from '../../platform/index.js';
import type { Held, Wanted } from './held.js';
import { folderOfRange, MANIFEST, partitionOfKey } from '../layout/layout.js';
import { type FoundManifest, type ListedPartition, readManifest, sha256Of } from '../layout/manifest.js';

/** A day with a file takes some 600 bytes of a manifest. What is much longer than that of all days there are would fill the memory of this process. */
const MAX_MANIFEST_BYTES = 256 * 1024 * 1024;

/** The shared lake of a dataset, as far as an export's days are concerned. */
export interface Lake {
  /** A partition as the manifest lists it, if all of its files are still there as they were written. */
  partitionOf(name: string): ListedPartition | undefined;
}

export function manifestKey({ prefix }: { prefix: string }): string {
  return `${prefix}/${MANIFEST}`;
}

/** Looks at what stands in a lake, with one list instead of a question for each file. */
export async function findLake(held: Wanted): Promise<Lake> {
  const { row: { prefix } } = held;
  const found = await findManifest(held);
  const standing = found ? await findStanding(held) : new Map<string, Stat>();
  const partitions = new Map(found?.manifest.partitions.map((partition) => [partition.partition, partition]));
  return {
    partitionOf(name) {
      const listed = partitions.get(name);
      const stands = listed?.files.every(({ path, bytes, etag }) => {
        const stat = standing.get(`${prefix}/${path}`);
        return stat?.etag === etag && stat.bytes === bytes;
      });
      return stands ? listed : undefined;
    },
  };
}

/** The manifest that stands under an export's prefix. Fails where something stands there that is none. */
export async function findManifest({ row, place: { store, at } }: Held): Promise<FoundManifest | undefined> {
  const key = at(manifestKey(row));
  const found = await store.read(key);
  if (!found) return undefined;
  const bytes = await wholeOf(found.body, found.stat.bytes > MAX_MANIFEST_BYTES ? 0 : MAX_MANIFEST_BYTES);
  const manifest = bytes && readManifest(bytes);
  if (!manifest) throw new StoreFault('read', 'refused', `${key} is no manifest of Lakehook's. Move it away, with the files that it is about.`);
  return { manifest, etag: found.stat.etag, sha256: sha256Of(bytes) };
}

/** Our files of the days of an export that stand in the lake, listed or not, by key. */
export async function findStanding({ row: { prefix }, place: { store, at, from: keyFrom }, plan: { dataset }, from, to }: Wanted): Promise<Map<string, Stat>> {
  const standing = new Map<string, Stat>();
  for await (const stat of store.list(at(folderOfRange(prefix, from, to)))) {
    const key = keyFrom(stat.key);
    const day = partitionOfKey(key, { prefix, fileName: dataset.fileName });
    if (day !== undefined && day >= from && day < to) standing.set(key, stat);
  }
  return standing;
}
