import { dayOf, type Format } from '../../platform/index.js';
import { UNITS } from './calendar.js';

/** Engines pass over names that begin with an underscore. */
export const MANIFEST = '_manifest.json';

/** Near this size a file ends and the next part begins: what Athena and Spark read best. */
export const FILE_BYTES = 128 * 1024 * 1024;

const DAY_FILE = /^year=(\d{4})\/month=(\d\d)\/day=(\d\d)\/([^/]+?)(?:_part[1-9]\d*)?\.(?:parquet|(?:csv|json)(?:\.gz|\.zst)?)$/;

/** What names of files and folders are made from. */
export interface Layout {
  /** `exports/cost_data`, without a slash at its end. */
  prefix: string;
  /** `costs`. */
  fileName: string;
  extension: string;
}

/** Where the shared lake of a dataset is: one format per prefix, so that an engine can be pointed at it. */
export function lakePrefix(dataset: string, kind: Format['kind']): string {
  return `exports/${dataset}${kind === 'parquet' ? '' : `_${kind}`}`;
}

/** Where an export is that nobody shares. */
export function privatePrefix(exportId: string, dataset: string): string {
  return `exports/_private/${exportId}/${dataset}`;
}

export function extensionOf({ kind, compression }: Format): string {
  // Parquet compresses inside: a reader must not unpack the file first.
  if (kind === 'parquet') return '.parquet';
  return `.${kind}${compression === 'gzip' ? '.gz' : compression === 'zstd' ? '.zst' : ''}`;
}

/** The folder of a partition (`2024`, `2024-12`, `2024-12-01` or none), with a slash at its end. */
export function folderOf(prefix: string, partition: string): string {
  return `${prefix}/${partition.split('-').flatMap((value, index) => (value === '' ? [] : `${UNITS[index]}=${value}/`)).join('')}`;
}

/** Key of the first file of a partition; further ones have `_part2` and on before the extension. */
export function keyOf({ prefix, fileName, extension }: Layout, partition: string): string {
  return `${folderOf(prefix, partition)}${fileName}${partition === '' ? '' : `_${partition.replaceAll('-', '')}`}${extension}`;
}

/** The partition that a file of a shared lake belongs to by its place and its name, whatever its extension; undefined for what is none of ours. */
export function partitionOfKey(key: string, { prefix, fileName }: Pick<Layout, 'prefix' | 'fileName'>): string | undefined {
  const [, year, month, day, name] = key.startsWith(`${prefix}/`) ? (DAY_FILE.exec(key.slice(prefix.length + 1)) ?? []) : [];
  return name !== undefined && name === `${fileName}_${year}${month}${day}` ? `${year}-${month}-${day}` : undefined;
}

/** The narrowest folder of a lake that holds all days of a range; `to` is the day after the last. */
export function folderOfRange(prefix: string, from: string, to: string): string {
  const last = dayOf(Date.parse(to) - 1);
  const shared = [10, 7, 4].find((length) => from.slice(0, length) === last.slice(0, length)) ?? 0;
  return folderOf(prefix, from.slice(0, shared));
}
