import { createHash, createHmac } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

export interface SigningKeys {
  accessKeyId: string;
  secretAccessKey: string;
  region: string;
}

const SKEW_MS = 15 * 60_000;

/** What is wrong with the signature (AWS Signature Version 4) of a request to S3, as the code S3 answers with. In the headers, or in the query of a presigned URL. */
export function findSignatureFault(request: IncomingMessage, body: Buffer, keys: SigningKeys): string | undefined {
  const [path, query = ''] = request.url!.split('?') as [string, string?];
  const parameters = query.split('&').filter(Boolean).map((pair): [string, string] => [pair.split('=')[0]!, pair.split('=').slice(1).join('=')]);
  const given = readHeader(request.headers.authorization) ?? readQuery(new URLSearchParams(query));
  if (!given) return 'AccessDenied';
  const { credential, signedHeaders, signature, time, seconds } = { time: String(request.headers['x-amz-date']), seconds: undefined, ...given };
  const [accessKeyId, ...scope] = credential.split('/');
  if (accessKeyId !== keys.accessKeyId) return 'InvalidAccessKeyId';
  const signedAt = Date.parse(time.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));
  if (seconds === undefined ? !(Math.abs(Date.now() - signedAt) < SKEW_MS) : !(Date.now() < signedAt + seconds * 1000)) return seconds === undefined ? 'RequestTimeTooSkewed' : 'AccessDenied';
  if (scope.join('/') !== `${time.slice(0, 8)}/${keys.region}/s3/aws4_request`) return 'AuthorizationHeaderMalformed';
  const payload = seconds === undefined ? String(request.headers['x-amz-content-sha256']) : 'UNSIGNED-PAYLOAD';
  if (payload !== 'UNSIGNED-PAYLOAD' && payload !== sha256(body)) return 'XAmzContentSHA256Mismatch';
  const canonical = [
    request.method, path, parameters.filter(([name]) => name !== 'X-Amz-Signature').map((pair) => pair.join('=')).sort().join('&'),
    ...signedHeaders.map((name) => `${name}:${String(request.headers[name]).trim()}`), '', signedHeaders.join(';'), payload,
  ].join('\n');
  const signingKey = [...scope].reduce<Buffer | string>((key, part) => createHmac('sha256', key).update(part).digest(), `AWS4${keys.secretAccessKey}`);
  const expected = createHmac('sha256', signingKey).update(['AWS4-HMAC-SHA256', time, scope.join('/'), sha256(canonical)].join('\n')).digest('hex');
  return expected === signature ? undefined : 'SignatureDoesNotMatch';
}

interface Given {
  credential: string;
  signedHeaders: string[];
  signature: string;
  /** Of a presigned URL. */
  time?: string;
  seconds?: number;
}

function readHeader(header = ''): Given | undefined {
  const found = /^AWS4-HMAC-SHA256 Credential=([^,]+), ?SignedHeaders=([^,]+), ?Signature=(\w+)$/.exec(header);
  return found ? { credential: found[1]!, signedHeaders: found[2]!.split(';'), signature: found[3]! } : undefined;
}

function readQuery(query: URLSearchParams): Given | undefined {
  const signature = query.get('X-Amz-Signature');
  if (query.get('X-Amz-Algorithm') !== 'AWS4-HMAC-SHA256' || !signature) return undefined;
  return { credential: query.get('X-Amz-Credential')!, signedHeaders: query.get('X-Amz-SignedHeaders')!.split(';'), signature, time: query.get('X-Amz-Date')!, seconds: Number(query.get('X-Amz-Expires')) };
}

function sha256(data: Buffer | string): string {
  return createHash('sha256').update(data).digest('hex');
}
