import { createHash, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach } from 'vitest';
import type { S3Settings } from '../../src/platform/storage/store.js';
import { findSignatureFault, type SigningKeys } from './signature-v4.js';

export type S3Action =
  | 'PutObject' | 'GetObject' | 'HeadObject' | 'DeleteObject' | 'ListObjectsV2'
  | 'CreateMultipartUpload' | 'UploadPart' | 'CompleteMultipartUpload' | 'AbortMultipartUpload' | 'ListMultipartUploads';

/** What goes wrong: an answer, silence, a connection that breaks before anything is done or (`lost`) after, a body that ends in the middle. */
export type S3Fault = { status: number; code: string } | 'hang' | 'reset' | 'lost' | 'truncated';

interface S3Object {
  body: Buffer;
  etag: string;
  metadata: Record<string, string>;
  contentType: string;
  modifiedAt: Date;
  /** As `x-amz-server-side-encryption` asked for it. */
  encryption?: string;
}

interface S3Upload extends Omit<S3Object, 'body' | 'etag' | 'modifiedAt'> {
  key: string;
  initiatedAt: Date;
  parts: Map<number, { body: Buffer; etag: string }>;
}

class Refusal extends Error {
  constructor(readonly status: number, readonly code: string) {
    super(`the test's S3 refuses this: ${code}`);
  }
}

const MIN_PART_BYTES = 5 * 1024 * 1024;
export const DENIED: S3Fault = { status: 403, code: 'AccessDenied' };
export const NO_SPACE: S3Fault = { status: 507, code: 'XMinioStorageFull' };
export const SLOW_DOWN: S3Fault = { status: 503, code: 'SlowDown' };
export const INTERNAL: S3Fault = { status: 500, code: 'InternalError' };

/** One bucket of S3 in this process: path style, every request's signature verified. What it holds lies open, and it breaks as it is told to. */
export class S3Server {
  readonly bucket = 'lake';
  readonly keys: SigningKeys = { accessKeyId: 'AKIATESTTESTTEST', secretAccessKey: `secret/${randomBytes(15).toString('base64')}`, region: 'eu-test-1' };
  readonly objects = new Map<string, S3Object>();
  /** Open ones, by id. */
  readonly uploads = new Map<string, S3Upload>();
  /** What was asked for so far, refused or not. */
  readonly requests: { action: S3Action; key: string }[] = [];
  /** As services differ in it. */
  conditions: 'enforced' | 'ignored' | 'unknown' = 'enforced';
  pageSize = 1_000;
  /** The most parts that were on their way at the same moment. */
  mostParts = 0;
  private partsNow = 0;
  private readonly faults: { action: S3Action; fault: S3Fault; times: number; key: RegExp }[] = [];
  private server: Server;

  async start(): Promise<void> {
    this.server = createServer((request, response) => void this.serve(request, response));
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  settings(prefix = ''): S3Settings {
    const { accessKeyId, secretAccessKey, region } = this.keys;
    return { type: 's3', bucket: this.bucket, prefix, region, endpoint: this.endpoint, pathStyle: true, credentials: { accessKeyId, secretAccessKey }, allowPrivate: 'true' };
  }

  /** The next `times` requests of the action (to keys that match) end so. */
  fail(action: S3Action, fault: S3Fault, { times = Number.POSITIVE_INFINITY, key = /^/ }: { times?: number; key?: RegExp } = {}): void {
    this.faults.push({ action, fault, times, key });
  }

  /** Nothing goes wrong any more. */
  heal(): void {
    this.faults.length = 0;
    this.conditions = 'enforced';
    this.pageSize = 1_000;
  }

  empty(): void {
    this.objects.clear();
    this.uploads.clear();
    this.requests.length = 0;
    this.mostParts = 0;
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const url = new URL(request.url!, this.endpoint);
      const [, bucket, ...names] = decodeURIComponent(url.pathname).split('/');
      const key = names.join('/');
      const action = actionOf(request.method!, key, url.searchParams);
      const fault = action && this.takeFault(action, key);
      if (action) this.requests.push({ action, key });
      // A reset comes while the body still does.
      if (fault === 'reset') return void request.socket.resetAndDestroy();
      if (action === 'UploadPart') this.mostParts = Math.max(this.mostParts, ++this.partsNow);
      const body = await bytesOf(request).finally(() => action === 'UploadPart' && this.partsNow--);
      if (fault === 'hang') return;
      const bad = findSignatureFault(request, body, this.keys);
      if (bad) throw new Refusal(403, bad);
      if (bucket !== this.bucket) throw new Refusal(404, 'NoSuchBucket');
      if (!action) throw new Refusal(501, 'NotImplemented');
      if (typeof fault === 'object') throw new Refusal(fault.status, fault.code);
      const answer = this.act(action, key, url.searchParams, request.headers as Record<string, string>, body);
      if (fault === 'lost') return void request.socket.resetAndDestroy();
      send(request, response, answer, fault === 'truncated');
    } catch (error) {
      // Who asked has gone.
      if (request.destroyed && !request.complete) return;
      if (!(error instanceof Refusal)) throw error;
      send(request, response, { status: error.status, body: error.status === 304 ? '' : xml('Error', tag('Code', error.code) + tag('Message', error.message)) });
    }
  }

  private takeFault(action: S3Action, key: string): S3Fault | undefined {
    const found = this.faults.find((candidate) => candidate.action === action && candidate.times > 0 && candidate.key.test(key));
    if (found) found.times--;
    return found?.fault;
  }

  private act(action: S3Action, key: string, query: URLSearchParams, headers: Record<string, string>, body: Buffer): Answer {
    const uploadId = query.get('uploadId') ?? '';
    switch (action) {
      case 'PutObject': {
        this.requireCondition(key, headers);
        const etag = md5(body);
        this.objects.set(key, { body, etag, modifiedAt: new Date(), ...described(headers) });
        return { status: 200, headers: { etag: `"${etag}"` } };
      }
      case 'HeadObject':
      case 'GetObject':
        return this.get(key, headers, query);
      case 'DeleteObject':
        this.objects.delete(key);
        return { status: 204 };
      case 'ListObjectsV2':
        return this.list(query);
      case 'CreateMultipartUpload': {
        const id = randomBytes(12).toString('base64url');
        this.uploads.set(id, { key, initiatedAt: new Date(), parts: new Map(), ...described(headers) });
        return { status: 200, body: xml('InitiateMultipartUploadResult', tag('Bucket', this.bucket) + tag('Key', escape(key)) + tag('UploadId', id)) };
      }
      case 'UploadPart': {
        const etag = md5(body);
        this.upload(uploadId, key).parts.set(Number(query.get('partNumber')), { body, etag });
        return { status: 200, headers: { etag: `"${etag}"` } };
      }
      case 'CompleteMultipartUpload':
        return this.complete(uploadId, key, body.toString());
      case 'AbortMultipartUpload':
        this.upload(uploadId, key);
        this.uploads.delete(uploadId);
        return { status: 204 };
      case 'ListMultipartUploads':
        return this.listUploads(query);
    }
  }

  private upload(id: string, key: string): S3Upload {
    const upload = this.uploads.get(id);
    if (upload?.key !== key) throw new Refusal(404, 'NoSuchUpload');
    return upload;
  }

  private complete(id: string, key: string, document: string): Answer {
    const { parts, initiatedAt: _, ...upload } = this.upload(id, key);
    const named = [...document.matchAll(/<Part>(.*?)<\/Part>/gs)].map(([, part]) => ({ number: Number(/<PartNumber>(\d+)</.exec(part!)?.[1]), etag: /<ETag>(?:&quot;|")?([\w-]+)/.exec(part!)?.[1] }));
    const chosen = named.map(({ number, etag }) => {
      const part = parts.get(number);
      if (!part || part.etag !== etag) throw new Refusal(400, 'InvalidPart');
      return part;
    });
    if (chosen.length === 0) throw new Refusal(400, 'MalformedXML');
    if (named.some(({ number }, index) => index > 0 && number <= named[index - 1]!.number)) throw new Refusal(400, 'InvalidPartOrder');
    if (chosen.slice(0, -1).some(({ body }) => body.length < MIN_PART_BYTES)) throw new Refusal(400, 'EntityTooSmall');
    const etag = `${md5(Buffer.concat(chosen.map((part) => Buffer.from(part.etag, 'hex'))))}-${chosen.length}`;
    this.objects.set(key, { ...upload, body: Buffer.concat(chosen.map(({ body }) => body)), etag, modifiedAt: new Date() });
    this.uploads.delete(id);
    return { status: 200, body: xml('CompleteMultipartUploadResult', tag('Key', escape(key)) + tag('ETag', `"${etag}"`)) };
  }

  private requireCondition(key: string, headers: Record<string, string>): void {
    const [ifMatch, ifNoneMatch] = [headers['if-match'], headers['if-none-match']];
    if ((!ifMatch && !ifNoneMatch) || this.conditions === 'ignored') return;
    if (this.conditions === 'unknown') throw new Refusal(501, 'NotImplemented');
    const standing = this.objects.get(key);
    if (ifNoneMatch === '*' && standing) throw new Refusal(412, 'PreconditionFailed');
    if (ifMatch && !standing) throw new Refusal(404, 'NoSuchKey');
    if (ifMatch && ifMatch !== `"${standing!.etag}"`) throw new Refusal(412, 'PreconditionFailed');
  }

  private get(key: string, headers: Record<string, string>, query: URLSearchParams): Answer {
    const object = this.objects.get(key);
    if (!object) throw new Refusal(404, 'NoSuchKey');
    const { body, etag, metadata, contentType, modifiedAt } = object;
    const all = {
      etag: `"${etag}"`, 'last-modified': modifiedAt.toUTCString(), 'content-type': contentType, 'accept-ranges': 'bytes',
      ...Object.fromEntries(Object.entries(metadata).map(([name, value]) => [`x-amz-meta-${name}`, value])),
      ...(query.has('response-content-disposition') && { 'content-disposition': query.get('response-content-disposition')! }),
    };
    const range = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '');
    if (!range) return { status: 200, headers: all, body };
    const [start, end] = [Number(range[1]), Math.min(Number(range[2] || body.length - 1), body.length - 1)];
    if (start >= body.length) throw new Refusal(416, 'InvalidRange');
    return { status: 206, headers: { ...all, 'content-range': `bytes ${start}-${end}/${body.length}` }, body: body.subarray(start, end + 1) };
  }

  private list(query: URLSearchParams): Answer {
    const [prefix, after] = [query.get('prefix') ?? '', query.get('continuation-token') ?? ''];
    const keys = [...this.objects.keys()].filter((key) => key.startsWith(prefix) && key > after).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    const page = keys.slice(0, this.pageSize);
    const contents = page.map((key) => {
      const { body, etag, modifiedAt } = this.objects.get(key)!;
      return tag('Contents', tag('Key', escape(key)) + tag('Size', String(body.length)) + tag('ETag', `"${etag}"`) + tag('LastModified', modifiedAt.toISOString()), false);
    });
    const more = keys.length > page.length;
    return { status: 200, body: xml('ListBucketResult', tag('IsTruncated', String(more)) + contents.join('') + (more ? tag('NextContinuationToken', escape(page.at(-1)!)) : '')) };
  }

  private listUploads(query: URLSearchParams): Answer {
    const prefix = query.get('prefix') ?? '';
    const after = (query.get('key-marker') ?? '') + '\0' + (query.get('upload-id-marker') ?? '');
    const found = [...this.uploads].filter(([id, { key }]) => key.startsWith(prefix) && `${key}\0${id}` > after).sort(([a, one], [b, other]) => (`${one.key}\0${a}` < `${other.key}\0${b}` ? -1 : 1));
    const page = found.slice(0, this.pageSize);
    const [lastId, last] = page.at(-1) ?? [];
    const more = found.length > page.length;
    const listed = page.map(([id, { key, initiatedAt }]) => tag('Upload', tag('Key', escape(key)) + tag('UploadId', id) + tag('Initiated', initiatedAt.toISOString()), false));
    return { status: 200, body: xml('ListMultipartUploadsResult', tag('IsTruncated', String(more)) + listed.join('') + (more ? tag('NextKeyMarker', escape(last!.key)) + tag('NextUploadIdMarker', lastId!) : '')) };
  }
}

/** An S3 for this test file, whole and empty before each test. */
export function useS3(): S3Server {
  const s3 = new S3Server();
  beforeAll(() => s3.start());
  beforeEach(() => {
    s3.heal();
    s3.empty();
  });
  afterAll(() => s3.stop());
  return s3;
}

interface Answer {
  status: number;
  headers?: Record<string, string>;
  body?: string | Buffer;
}

function send(request: IncomingMessage, response: ServerResponse, { status, headers, body = '' }: Answer, isTruncated = false): void {
  const bytes = Buffer.from(body as Buffer);
  response.writeHead(status, { ...(typeof body === 'string' && { 'content-type': 'application/xml' }), ...headers, 'content-length': bytes.length });
  if (request.method === 'HEAD') response.end();
  else if (isTruncated) response.write(bytes.subarray(0, bytes.length >> 1), () => setImmediate(() => request.socket.destroy()));
  else response.end(bytes);
}

function actionOf(method: string, key: string, query: URLSearchParams): S3Action | undefined {
  if (!key) return method !== 'GET' ? undefined : query.has('uploads') ? 'ListMultipartUploads' : query.get('list-type') === '2' ? 'ListObjectsV2' : undefined;
  if (query.has('uploadId')) return ({ PUT: 'UploadPart', POST: 'CompleteMultipartUpload', DELETE: 'AbortMultipartUpload' } as const)[method as 'PUT'];
  if (query.has('uploads')) return method === 'POST' ? 'CreateMultipartUpload' : undefined;
  return ({ PUT: 'PutObject', GET: 'GetObject', HEAD: 'HeadObject', DELETE: 'DeleteObject' } as const)[method as 'PUT'];
}

function described(headers: Record<string, string>): Pick<S3Object, 'metadata' | 'contentType' | 'encryption'> {
  const metadata = Object.entries(headers).filter(([name]) => name.startsWith('x-amz-meta-')).map(([name, value]) => [name.slice('x-amz-meta-'.length), value]);
  return { metadata: Object.fromEntries(metadata), contentType: headers['content-type'] ?? 'binary/octet-stream', encryption: headers['x-amz-server-side-encryption'] };
}

async function bytesOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function md5(bytes: Buffer): string {
  return createHash('md5').update(bytes).digest('hex');
}

function xml(root: string, content: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?><${root} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${content}</${root}>`;
}

function tag(name: string, content: string, isText = true): string {
  return `<${name}>${isText ? content.replaceAll('"', '&quot;') : content}</${name}>`;
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
