import { createHash, randomUUID } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { CompletedPart, S3 } from '@aws-sdk/client-s3';
import { dispositionOf } from '../http/attachment.js';
import { faulting, inChunks } from './chunks.js';
import { findKeyFault, requireKey, requirePrefix } from './keys.js';
import { type Client, openClient } from './s3-client.js';
import { asFault, isAnswer, type Operation } from './s3-faults.js';
import { type S3Settings, type Staged, type Stat, type Store, StoreFault } from './store.js';

const MIB = 1024 * 1024;
export const MAX_PARTS = 10_000;
const PARTS_IN_FLIGHT = 2;
const REMOVALS_IN_FLIGHT = 8;
/** Among an object's metadata: which `stage` or `put` wrote it, so that whoever lost the answer can tell. */
const MARK = 'lakehook-mark';

/** How many bytes part `index` (from 0) holds. S3 wants 5 MiB or more, in at most 10,000 parts; R2 wants all alike, which they are up to 40 GB. */
export function bytesOfPart(index: number): number {
  return index < 5_000 ? 8 * MIB : 64 * MIB;
}

/** What `Staged.token` says of an upload. Without `upload`, there was not a byte to upload. */
interface Upload {
  upload?: string;
  mark: string;
  /** Etags. */
  parts: string[];
  contentType?: string;
}

/**
 * Objects of a bucket. What is staged is a multipart upload whose parts are all there and that nobody has completed: it is not to be
 * seen, and S3 keeps it until it is completed or aborted. Publishing completes it. When the answer to that was lost, the upload is
 * gone, and the mark among the object's metadata says that it was ours.
 */
export class S3Store implements Store {
  private client: Promise<Client> | undefined;

  constructor(private readonly settings: S3Settings) {}

  async stage(key: string, body: AsyncIterable<Uint8Array>, { contentType, signal }: { contentType?: string; signal?: AbortSignal } = {}): Promise<Staged> {
    const at = this.at(key);
    const mark = randomUUID();
    const hash = createHash('sha256');
    const parts: string[] = [];
    const inFlight = new Set<Promise<void>>();
    const broken = new AbortController();
    const stop = signal ? AbortSignal.any([signal, broken.signal]) : broken.signal;
    let bytes = 0;
    let upload: string | undefined;
    try {
      for await (const part of inChunks(body, bytesOfPart, stop)) {
        hash.update(part);
        bytes += part.length;
        const PartNumber = parts.push('');
        if (PartNumber > MAX_PARTS) throw new StoreFault('write', 'refused', `${key} is too large: S3 takes ${MAX_PARTS} parts.`);
        upload ??= (await this.doing('begin', key, (s3) => s3.createMultipartUpload({ ...at, ...this.encryption(), ContentType: contentType, Metadata: { [MARK]: mark } }), signal)).UploadId!;
        const sending = this.doing('part', key, (s3) => s3.uploadPart({ ...at, UploadId: upload, PartNumber, Body: part }, { abortSignal: stop }), stop)
          .then(({ ETag }) => void (parts[PartNumber - 1] = ETag!), (error: unknown) => broken.abort(error))
          .finally(() => inFlight.delete(sending));
        inFlight.add(sending);
        if (inFlight.size === PARTS_IN_FLIGHT) await Promise.race(inFlight);
      }
      await Promise.all(inFlight);
      stop.throwIfAborted();
      return { key, bytes, sha256: hash.digest('hex'), token: JSON.stringify({ upload, mark, parts, ...(!upload && { contentType }) } satisfies Upload) };
    } catch (error) {
      broken.abort(error);
      // A part that arrives after the abort would stay.
      await Promise.all(inFlight);
      // Failing too, it leaves the upload to `sweep`; why there is none is told by the first failure.
      if (upload) await this.abort(key, upload).catch(() => {});
      throw error;
    }
  }

  async publish({ key, bytes, token }: Staged): Promise<Stat> {
    const { upload, mark, parts, contentType } = JSON.parse(token) as Upload;
    const isDone = upload ? await this.complete(key, upload, parts) : await this.write(key, new Uint8Array(), { contentType, mark });
    const head = await this.head(key);
    if (head && head.ContentLength === bytes && (isDone || head.Metadata?.[MARK] === mark)) return statOf(key, head);
    throw new StoreFault('write', 'refused', `What was staged for ${key} is gone.`);
  }

  async discard({ key, token }: Staged): Promise<void> {
    const { upload } = JSON.parse(token) as Upload;
    if (upload) await this.abort(key, upload);
  }

  async put(key: string, body: Uint8Array, { contentType, ifMatch }: { contentType?: string; ifMatch?: string | null } = {}): Promise<Stat | undefined> {
    const mark = randomUUID();
    if (ifMatch !== undefined && ((await this.stat(key))?.etag ?? null) !== ifMatch) return undefined;
    const isWritten = await this.write(key, body, { contentType, ifMatch, mark });
    const head = await this.head(key);
    // Refused may be the second try of a write whose first answer was lost.
    return head && (isWritten || head.Metadata?.[MARK] === mark) ? statOf(key, head) : undefined;
  }

  async read(key: string, range?: { start: number; end: number }): Promise<{ stat: Stat; body: Readable } | undefined> {
    const at = this.at(key);
    const found = await this.doing('get', key, (s3) => s3.getObject({ ...at, Range: range && `bytes=${range.start}-${range.end}` }).catch(unless('NoSuchKey')));
    if (!found) return undefined;
    // Of a part, the length of the whole stands in `bytes 0-9/100`.
    const whole = Number(found.ContentRange?.split('/')[1] ?? found.ContentLength);
    return { stat: statOf(key, { ...found, ContentLength: whole }), body: faulting(found.Body as Readable, (error) => asFault('get', key, error)) };
  }

  async stat(key: string): Promise<Stat | undefined> {
    const head = await this.head(key);
    return head && statOf(key, head);
  }

  async *list(prefix: string): AsyncGenerator<Stat> {
    const within = { Bucket: this.settings.bucket, Prefix: this.full(requirePrefix(prefix)) };
    let token: string | undefined;
    do {
      const page = await this.doing('list', prefix, (s3) => s3.listObjectsV2({ ...within, ContinuationToken: token }));
      for (const { Key, Size, ETag, LastModified } of page.Contents ?? []) {
        const key = this.without(Key!);
        // Consoles and other tools make objects that stand for folders.
        if (!findKeyFault(key)) yield statOf(key, { ContentLength: Size, ETag, LastModified });
      }
      token = page.IsTruncated ? page.NextContinuationToken : undefined;
    } while (token);
  }

  /** One by one: a request for many wants a checksum of a kind that many compatible servers refuse, and some have none. */
  async remove(keys: string[]): Promise<void> {
    const waiting = keys.map((key): [string, { Bucket: string; Key: string }] => [key, this.at(key)]);
    const work = async (): Promise<void> => {
      for (let next = waiting.pop(); next; next = waiting.pop()) {
        const [key, at] = next;
        await this.doing('delete', key, (s3) => s3.deleteObject(at).catch(unless('NoSuchKey')));
      }
    };
    await Promise.all(Array.from({ length: REMOVALS_IN_FLIGHT }, work));
  }

  async link(key: string, { fileName, seconds }: { fileName: string; seconds: number }): Promise<string> {
    const at = this.at(key);
    const { getSignedUrl } = await import('@aws-sdk/s3-request-presigner');
    return this.doing('get', key, (s3, sdk) => getSignedUrl(s3, new sdk.GetObjectCommand({ ...at, ResponseContentDisposition: dispositionOf(fileName) }), { expiresIn: seconds }));
  }

  async sweep(prefix: string, before: Date, kept: ReadonlySet<string>): Promise<number> {
    const within = { Bucket: this.settings.bucket, Prefix: this.full(requirePrefix(prefix)) };
    const keptUploads = new Set([...kept].map(uploadOf));
    let swept = 0;
    let after: { KeyMarker?: string; UploadIdMarker?: string } | undefined = {};
    while (after) {
      const page = await this.doing('uploads', prefix, (s3) => s3.listMultipartUploads({ ...within, ...after }));
      for (const { Key, UploadId, Initiated } of page.Uploads ?? []) {
        if (!Initiated || Initiated >= before || keptUploads.has(UploadId)) continue;
        await this.abort(this.without(Key!), UploadId!);
        swept++;
      }
      after = page.IsTruncated ? { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker } : undefined;
    }
    return swept;
  }

  async holdsConditions(key: string): Promise<boolean> {
    try {
      await this.write(key, Buffer.from('first'), { mark: randomUUID() });
      const overNothing = await this.write(key, Buffer.from('second'), { ifMatch: null, mark: randomUUID() });
      const overAnother = await this.write(key, Buffer.from('third'), { ifMatch: '0'.repeat(32), mark: randomUUID() });
      return !overNothing && !overAnother;
    } finally {
      await this.remove([key]);
    }
  }

  close(): void {
    void this.client?.then(({ s3 }) => s3.destroy(), () => {});
    this.client = undefined;
  }

  /** Whether there still was such an upload. */
  private async complete(key: string, upload: string, parts: string[]): Promise<boolean> {
    const Parts = parts.map((ETag, index): CompletedPart => ({ ETag, PartNumber: index + 1 }));
    const whole = { ...this.at(key), UploadId: upload, MultipartUpload: { Parts } };
    return this.doing('complete', key, (s3) => s3.completeMultipartUpload(whole).then(() => true, (error: unknown) => {
      if (isAnswer(error, 'NoSuchUpload')) return false;
      throw error;
    }));
  }

  private async abort(key: string, upload: string): Promise<unknown> {
    const at = this.at(key);
    return this.doing('abort', key, (s3) => s3.abortMultipartUpload({ ...at, UploadId: upload }).catch(unless('NoSuchUpload', 404)));
  }

  /** Whether the condition held. One that the service does not know is left out: the caller has looked before. */
  private async write(key: string, body: Uint8Array, { contentType, ifMatch, mark }: { contentType?: string; ifMatch?: string | null; mark: string }): Promise<boolean> {
    const object = { ...this.at(key), ...this.encryption(), Body: body, ContentType: contentType, Metadata: { [MARK]: mark } };
    const condition = ifMatch === undefined ? {} : ifMatch === null ? { IfNoneMatch: '*' } : { IfMatch: `"${ifMatch}"` };
    return this.doing('put', key, async (s3) => {
      try {
        await s3.putObject({ ...object, ...condition });
      } catch (error) {
        // 304 is what MinIO said for a while; 404, that there is nothing any more; 409, that somebody else was writing.
        if (ifMatch !== undefined && isAnswer(error, 304, 'NoSuchKey', 409, 412)) return false;
        if (ifMatch === undefined || !isAnswer(error, 'NotImplemented', 501)) throw error;
        await s3.putObject(object);
      }
      return true;
    });
  }

  private async head(key: string): Promise<Head | undefined> {
    const at = this.at(key);
    return this.doing('head', key, (s3): Promise<Head | undefined> => s3.headObject(at).catch(unless(404)));
  }

  private async doing<T>(operation: Operation, key: string, work: (s3: S3, sdk: Client['sdk']) => Promise<T>, signal?: AbortSignal): Promise<T> {
    try {
      const { s3, sdk } = await (this.client ??= openClient(this.settings));
      return await work(s3, sdk);
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      throw asFault(operation, key, error);
    }
  }

  private encryption(): { ServerSideEncryption?: 'AES256' | 'aws:kms'; SSEKMSKeyId?: string } {
    const { serverSideEncryption: given } = this.settings;
    return given ? { ServerSideEncryption: given.type, ...(given.type === 'aws:kms' && given.keyId && { SSEKMSKeyId: given.keyId }) } : {};
  }

  private at(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.settings.bucket, Key: this.full(requireKey(key)) };
  }

  private full(key: string): string {
    return this.settings.prefix ? `${this.settings.prefix}/${key}` : key;
  }

  private without(key: string): string {
    return this.settings.prefix ? key.slice(this.settings.prefix.length + 1) : key;
  }
}

interface Head {
  ContentLength?: number;
  ETag?: string;
  LastModified?: Date;
  Metadata?: Record<string, string>;
}

function statOf(key: string, { ContentLength, ETag, LastModified }: Head): Stat {
  return { key, bytes: ContentLength ?? 0, etag: (ETag ?? '').replace(/^(W\/)?"|"$/g, ''), modifiedAt: LastModified ?? new Date(0) };
}

function unless(...answers: (string | number)[]): (error: unknown) => undefined {
  return (error) => {
    if (!isAnswer(error, ...answers)) throw error;
  };
}

/** The upload that a token names; none when it is a token of another kind of store. */
function uploadOf(token: string): string | undefined {
  return token.startsWith('{') ? (JSON.parse(token) as Upload).upload : undefined;
}
