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
  /** Without quotes. Another one whenever the key was written again, so one that was kept tells later whether the file is still the same. */
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
  /** Memory stays bounded however long the body is. When the body fails or the signal aborts, nothing stays behind, and the reason is thrown as it is. */
  stage(key: string, body: AsyncIterable<Uint8Array>, options?: { contentType?: string; signal?: AbortSignal }): Promise<Staged>;
  /** Replaces what stands there. Repeating it, also in another process and after a crash in the middle, is harmless as long as nobody has replaced it since. */
  publish(staged: Staged): Promise<Stat>;
  /** Repeating it is harmless, and so is discarding what was published: that stays. */
  discard(staged: Staged): Promise<void>;
  /** For small files such as manifests. `ifMatch: null` means: only where nothing stands. Resolves with undefined when the condition does not hold. */
  put(key: string, body: Uint8Array, options?: { contentType?: string; ifMatch?: string | null }): Promise<Stat | undefined>;
  /** `range` in bytes, both ends included; one that begins behind the end is refused. Undefined when nothing stands there. The body must be read or destroyed. */
  read(key: string, range?: { start: number; end: number }): Promise<{ stat: Stat; body: Readable } | undefined>;
  stat(key: string): Promise<Stat | undefined>;
  /** In order of the keys; what is only staged is not among them, nor what somebody else has put there under a name that is no key. */
  list(prefix: string): AsyncIterable<Stat>;
  /** Absent ones are no fault. */
  remove(keys: string[]): Promise<void>;
  /** A link that a browser may follow for `seconds`, where the store can give one. */
  link?(key: string, options: { fileName: string; seconds: number }): Promise<string>;
  /** Removes what was staged under the prefix before a time and is neither published nor among `kept` tokens: the rest of processes that died. */
  sweep(prefix: string, before: Date, kept: ReadonlySet<string>): Promise<number>;
  /** Whether it is the store that refuses a `put` whose condition does not hold. Where not, `put` looks before it writes, and of two at the same moment the later wins. Writes `key` and removes it. */
  holdsConditions(key: string): Promise<boolean>;
  /** Lets go of its connections. */
  close(): void;
}

/** Plain JSON, so that it can go to a thread. */
export type StoreSettings = DiskSettings | S3Settings;

export interface DiskSettings {
  type: 'disk';
  /** Made when it is not there. */
  folder: string;
}

export interface S3Settings {
  type: 's3';
  bucket: string;
  /** Before every key, without a slash at either end; empty for none. */
  prefix: string;
  region: string;
  /** Unset for AWS. */
  endpoint?: string;
  /** Whether the bucket is named in the path rather than in the host. */
  pathStyle: boolean;
  /** Unset: whatever the standard chain of the AWS SDK finds (environment, shared files, the role of the machine). */
  credentials?: { accessKeyId: string; secretAccessKey: string; sessionToken?: string };
  serverSideEncryption?: { type: 'AES256' } | { type: 'aws:kms'; keyId?: string };
  /** Private addresses it may stand at, as in `OUTBOUND_ALLOW_PRIVATE`. */
  allowPrivate?: string;
  /** Milliseconds in which nothing moves before a request is given up; default 30,000. */
  timeoutMs?: number;
  /** How often a request is sent before its failure counts; default 4. */
  attempts?: number;
}

/** What was being done when a store failed, and why, in the words an operator acts on. */
export class StoreFault extends Error {
  /** What the credentials seem to lack, as IAM names it. */
  readonly permission?: string;

  constructor(
    readonly action: 'write' | 'read' | 'list' | 'delete',
    readonly reason: 'denied' | 'no_bucket' | 'unreachable' | 'timeout' | 'full' | 'refused',
    message: string,
    { permission, ...options }: ErrorOptions & { permission?: string } = {},
  ) {
    super(message, options);
    this.permission = permission;
  }

  /** Whether the same request may succeed later with nobody changing anything. */
  get isPassing(): boolean {
    return this.reason === 'unreachable' || this.reason === 'timeout';
  }
}
