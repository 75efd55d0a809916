import type { Export, ExportFile, Staged, Store, StoreSettings } from '../../platform/index.js';
import type { Lease } from './lease.js';
import type { Plan } from './plan.js';

/** An export that this process works, and where its files are. */
export interface Held {
  row: Export;
  lease: Lease;
  place: OpenPlace;
}

/** The same, with what it is to be: as it was asked for, read again. */
export interface Wanted extends Held {
  plan: Plan;
  /** `YYYY-MM-DD`; `to` is the day after the last one. */
  from: string;
  to: string;
}

/** A store, in which a tenant has a root: what exports tell as keys is from there. */
export interface OpenPlace {
  settings: StoreSettings;
  store: Store;
  /** The store's key of an export's. */
  at(key: string): string;
  /** The reverse. */
  from(storeKey: string): string;
}

/** A file on record as the store knows it. */
export function stagedOf({ key, bytes, sha256, token }: Pick<ExportFile, 'key' | 'bytes' | 'sha256' | 'token'>, { at }: OpenPlace): Staged {
  return { key: at(key), bytes: Number(bytes), sha256, token: token! };
}

/** Runs `work` over all of `items`, some at a time. The first failure ends it, once those under way have come to their end. */
export async function inTurn<T>(items: readonly T[], atOnce: number, work: (item: T) => Promise<unknown>): Promise<void> {
  let next = 0;
  const results = await Promise.allSettled(Array.from({ length: atOnce }, async () => {
    try {
      while (next < items.length) await work(items[next++]!);
    } catch (error) {
      next = items.length;
      throw error;
    }
  }));
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}
