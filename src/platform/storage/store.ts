import type { Readable } from 'node:stream';

/** A file that is written and not yet to be seen by anybody. Plain JSON, so that whoever must go on after a crash can keep it. */
export interface Staged {
  /** Where it will be seen, without the store's own prefix: `exports/cost_data/year=2024/…`. */
  key: string;
  bytes: number;
  /** Lower-case hex. */
  sha256: string;
  /** What the store needs to find it again: a temporary path, or an upload with its parts. */
  token: string;
}

export interface Stat {
  key: string;
  bytes: number;
  etag: string;
  modifiedAt: Date;
}

/**
 * Files by key, on a disk or in a bucket. A file becomes visible whole or not at all, and large ones in two steps: `stage` writes,
 * `publish` shows. So many files can be written over minutes and shown within moments, and a process that dies between leaves nothing to see.
 *
 * Each method fails with a `StoreFault`, which says what was being done and why it failed.
 */
export interface Store {
  /** Memory stays bounded however long the body is. When the body fails or the signal aborts, nothing stays behind. */
  stage(key: string, body: AsyncIterable<Uint8Array>, options?: { contentType?: string; signal?: AbortSignal }): Promise<Staged>;
  /** Replaces what stands there. Repeating it, also in another process and after a crash in the middle, is harmless. */
  publish(staged: Staged): Promise<Stat>;
  /** Repeating it is harmless, and so is discarding what was published: that stays. */
  discard(staged: Staged): Promise<void>;
  /** For small files such as manifests. `ifMatch: null` means: only where nothing stands. Resolves with undefined when the condition does not hold. */
  put(key: string, body: Uint8Array, options?: { contentType?: string; ifMatch?: string | null }): Promise<Stat | undefined>;
  /** `range` in bytes, both ends included. Undefined when nothing stands there. */
  read(key: string, range?: { start: number; end: number }): Promise<{ stat: Stat; body: Readable } | undefined>;
  stat(key: string): Promise<Stat | undefined>;
  /** In order of the keys; what is only staged is not among them. */
  list(prefix: string): AsyncIterable<Stat>;
  /** Absent ones are no fault. */
  remove(keys: string[]): Promise<void>;
  /** A link that a browser may follow for `seconds`, where the store can give one. */
  link?(key: string, options: { fileName: string; seconds: number }): Promise<string>;
  /** Removes what was staged under the prefix before a time and is neither published nor among `kept` tokens: the rest of processes that died. */
  sweep(prefix: string, before: Date, kept: ReadonlySet<string>): Promise<number>;
}

/** What was being done when a store failed, and why, in the words an operator acts on. */
export class StoreFault extends Error {
  constructor(
    readonly action: 'write' | 'read' | 'list' | 'delete',
    readonly reason: 'denied' | 'no_bucket' | 'unreachable' | 'timeout' | 'full' | 'refused',
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }

  /** Whether the same request may succeed later with nobody changing anything. */
  get isPassing(): boolean {
    return this.reason === 'unreachable' || this.reason === 'timeout';
  }
}
