import { deserialize, serialize } from 'node:v8';
import type { Publish } from '../../events/index.js';

/** Of one caller, what the spool keeps until it can be stored. */
export interface Spooled {
  /** Every event has its id and its time. A request to a source has more, see `inbound.ts`. */
  publish: Publish;
  /** The transaction of a first try whose commit was never answered. */
  xid?: string;
}

const VERSION = 1;

/** As bytes for the disk. V8's own format: texts and bytes stay as they are, and later versions of Node read it, too. */
export function encode(spooled: Spooled): Buffer {
  return serialize({ version: VERSION, ...spooled });
}

/** Throws when the record was not written by this version of Lakehook or an earlier one. */
export function decode(record: Buffer): Spooled {
  const { version, ...spooled } = deserialize(record) as Spooled & { version: number };
  if (version > VERSION) throw new Error(`the record was written by a later Lakehook (format ${version})`);
  return spooled;
}
