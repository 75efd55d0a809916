import { StoreFault } from '../storage/store.js';
import type { StoreSettings } from '../storage/store.js';
import { type Progress, type TablePart, UnfitValue, type WrittenFile } from './table.js';

/** What the writer and its thread say to each other. All of it is plain, so that it can cross. */

export interface ThreadSettings {
  databaseUrl: string;
  store: StoreSettings;
  /** The memory of a `Pace`. */
  pace: SharedArrayBuffer;
}

export type Request =
  /** The first. Answers the moment of the snapshot, in epoch milliseconds. */
  | { id: number; call: 'open' }
  | { id: number; call: 'rows'; sql: string }
  | { id: number; call: 'write'; part: TablePart }
  | { id: number; call: 'abort' }
  | { id: number; call: 'close' };

export type Result = number | Record<string, string | null>[] | WrittenFile[] | undefined;

export type Answer =
  | { id: number; progress: Progress }
  | { id: number; result: Result }
  | { id: number; fault: SentFault };

/** An error's class is lost between threads, and so is what it knows beyond its message. */
export interface SentFault {
  message: string;
  stack: string | undefined;
  fields: Record<string, unknown>;
  class: 'StoreFault' | 'UnfitValue' | 'Error';
}

export function sendable(error: unknown): SentFault {
  const { message, stack, cause, ...fields } = error instanceof Error ? Object.assign({}, error, { message: error.message, stack: error.stack, cause: error.cause }) : { message: String(error), stack: undefined, cause: undefined };
  // Only what can cross: the errors of libraries carry sockets and requests.
  const plain = Object.entries({ ...fields, ...(cause instanceof Error && { cause: cause.message }) }).filter(([, value]) => value === null || /^(string|number|boolean)$/.test(typeof value));
  return { message, stack, fields: Object.fromEntries(plain), class: error instanceof StoreFault ? 'StoreFault' : error instanceof UnfitValue ? 'UnfitValue' : 'Error' };
}

export function received({ message, stack, fields, class: kind }: SentFault): Error {
  const error = kind === 'StoreFault' ? new StoreFault(fields.action as StoreFault['action'], fields.reason as StoreFault['reason'], message)
    : kind === 'UnfitValue' ? new UnfitValue(String(fields.column), String(fields.detail))
    : new Error(message);
  return Object.assign(error, fields, { stack });
}
