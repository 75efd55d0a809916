import { createHash } from 'node:crypto';
import { type Column, isObject } from '../../platform/index.js';
import { addDecimals } from './decimals.js';

/** A file as a manifest lists it. */
export interface ListedFile {
  /** From the manifest's own folder. */
  path: string;
  bytes: number;
  sha256: string;
  rows: number;
  /** Of each decimal column, exact. */
  sums: Record<string, string>;
  /** By which the store tells later whether the file is still this one. */
  etag: string;
}

export interface ListedPartition {
  /** `2024-12-01`, `2024-12`, `2024`, or '' where there are no folders. */
  partition: string;
  /** The export that wrote it, of rows as they were at `snapshot_at`. */
  export_id: string;
  snapshot_at: string;
  schema_version: number;
  compression: string;
  /** Of the rows and of all that decides how they are written. */
  fingerprint: string;
  row_count: number;
  byte_count: number;
  sums: Record<string, string>;
  files: ListedFile[];
}

/** What the files under a prefix are. It is written last, so whatever it lists is there whole. */
export interface Manifest {
  manifest_version: 1;
  dataset: string;
  format: string;
  schema_version: number;
  schema: { name: string; type: Column['type']; nullable: boolean }[];
  partition_by: string[];
  row_count: number;
  byte_count: number;
  sums: Record<string, string>;
  /** The export that wrote it last. */
  export_id: string;
  written_at: string;
  /** Of the manifest that this one replaced. */
  previous_sha256: string | null;
  /** In order. */
  partitions: ListedPartition[];
}

/** A manifest as it was found, and what the next one is conditional on. */
export interface FoundManifest {
  manifest: Manifest;
  etag: string;
  sha256: string;
}

/** Reads a manifest of ours; undefined for anything else. */
export function readManifest(bytes: Uint8Array): Manifest | undefined {
  try {
    const read: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'));
    return isObject(read) && read.manifest_version === 1 && Array.isArray(read.partitions) ? (read as unknown as Manifest) : undefined;
  } catch {
    return undefined;
  }
}

export function sha256Of(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** A partition of its files. */
export function listPartition(head: Omit<ListedPartition, 'row_count' | 'byte_count' | 'sums' | 'files'>, files: ListedFile[]): ListedPartition {
  return { ...head, ...totalsOf(files.map(({ rows, bytes, sums }) => ({ row_count: rows, byte_count: bytes, sums }))), files };
}

/** Partitions after those from `from` to before `to`, except what `stays`, have become `fresh`. */
export function replaceRange(previous: ListedPartition[], { from, to }: { from: string; to: string }, fresh: ListedPartition[], stays: (partition: string) => boolean = () => false): ListedPartition[] {
  return [...previous.filter(({ partition }) => partition < from || partition >= to || stays(partition)), ...fresh].sort((a, b) => (a.partition < b.partition ? -1 : 1));
}

/** The manifest over partitions. Of the same partitions and the same head it is the same text. */
export function writeManifest(head: Omit<Manifest, 'manifest_version' | 'row_count' | 'byte_count' | 'sums' | 'partitions'>, partitions: ListedPartition[]): Uint8Array {
  const { dataset, format, schema_version, schema, partition_by, ...written } = head;
  const manifest: Manifest = { manifest_version: 1, dataset, format, schema_version, schema, partition_by, ...totalsOf(partitions), ...written, partitions };
  return Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`);
}

/** Whether two lists of partitions say the same. */
export function areSame(some: ListedPartition[], others: ListedPartition[]): boolean {
  return JSON.stringify(some) === JSON.stringify(others);
}

function totalsOf(parts: Pick<ListedPartition, 'row_count' | 'byte_count' | 'sums'>[]): Pick<ListedPartition, 'row_count' | 'byte_count' | 'sums'> {
  const names = [...new Set(parts.flatMap(({ sums }) => Object.keys(sums)))];
  return {
    row_count: parts.reduce((sum, { row_count }) => sum + row_count, 0),
    byte_count: parts.reduce((sum, { byte_count }) => sum + byte_count, 0),
    sums: Object.fromEntries(names.map((name) => [name, addDecimals(parts.flatMap(({ sums }) => sums[name] ?? []))])),
  };
}
