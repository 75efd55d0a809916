import { join } from 'node:path';
import type { Column, Format, StoreSettings } from '../../platform/index.js';
import type { Dataset } from '../datasets/dataset.js';

/** The shared lake of a dataset in one format, as an engine is told of it. */
export interface Lake {
  dataset: Dataset;
  format: Format['kind'];
  store: StoreSettings;
  /** The folder in the store, without a slash at its end: `exports/cost_data_csv`. */
  prefix: string;
}

export interface Catalogued {
  /** The folder as the engine names it, with a slash at its end. */
  location: string;
  /** To be run in this order. */
  statements: string[];
  /** What to know before that. */
  notes: string[];
}

/** Why an engine cannot read a lake, and what of the request is to be changed for it. */
export interface Unreadable {
  by: 'format' | 'destination_id';
  detail: string;
}

/** Answers what makes a lake a table of the engine. */
export type Engine = (lake: Lake) => Catalogued | Unreadable;

/** How an engine writes what all of them have. */
export interface Dialect {
  name: string;
  quote(name: string): string;
  literal(text: string): string;
  types: Record<Exclude<Column['type'], object>, string>;
}

/** The folders of a partition, each of which is a column. */
export const FOLDERS = [{ name: 'year', digits: 4, first: 2000, last: 2099 }, { name: 'month', digits: 2, first: 1, last: 12 }, { name: 'day', digits: 2, first: 1, last: 31 }] as const;

/** The name of its table or view, which is that of its folder. */
export function tableOf({ prefix }: Lake): string {
  return prefix.slice(prefix.lastIndexOf('/') + 1);
}

/** The type of a column's values in files that hold it as it is declared. */
export function typeOf({ types }: Dialect, { type }: Column): string {
  return typeof type === 'object' ? `DECIMAL(38,${type.decimal})` : types[type];
}

/** The folder as a URL, or as a path where `disk` is empty. Characters that engines read as patterns, escapes or variables are refused. */
export function locate({ store, prefix }: Lake, { name }: Pick<Dialect, 'name'>, { disk, s3 = 's3://' }: { disk: string; s3?: string }): string | Unreadable {
  const location = store.type === 'disk' ? `${disk}${join(store.folder, prefix)}/` : `${s3}${store.bucket}/${store.prefix ? `${store.prefix}/` : ''}${prefix}/`;
  const strange = /[*?[\]{}\\%#$\x00-\x1f]/.exec(location)?.[0];
  return strange === undefined ? location : { by: 'destination_id', detail: `holds ${JSON.stringify(strange)} in its path, which ${name} does not take for itself` };
}

/** What SQL has between parentheses, a line each. */
export function lines(items: readonly string[]): string {
  return `(\n${items.map((item) => `  ${item}`).join(',\n')}\n)`;
}

/** Doubles a quote where it stands in a text that stands between two of them. */
export function between(quote: string, text: string): string {
  return quote + text.replaceAll(quote, quote + quote) + quote;
}

/** As Hive and those after it write texts. The backslash is none of the characters that {@link locate} lets through. */
export function hiveLiteral(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
