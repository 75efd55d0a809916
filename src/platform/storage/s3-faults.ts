import { StoreFault } from './store.js';

/** What the SDK throws, as far as it matters here. */
interface SdkError extends Error {
  $metadata?: { httpStatusCode?: number };
  code?: string;
}

/** What a request does, and what IAM calls the permission for it. */
export const OPERATIONS = {
  begin: ['write', 's3:PutObject'],
  part: ['write', 's3:PutObject'],
  complete: ['write', 's3:PutObject'],
  abort: ['delete', 's3:AbortMultipartUpload'],
  put: ['write', 's3:PutObject'],
  get: ['read', 's3:GetObject'],
  head: ['read', 's3:GetObject'],
  list: ['list', 's3:ListBucket'],
  uploads: ['list', 's3:ListBucketMultipartUploads'],
  delete: ['delete', 's3:DeleteObject'],
} as const;

export type Operation = keyof typeof OPERATIONS;

const MAX_WORDS = 300;

/** By S3's own code. What is not here is judged by its status. */
const BY_NAME: Record<string, StoreFault['reason']> = {
  NoSuchBucket: 'no_bucket',
  // Ceph, SeaweedFS and MinIO, in this order.
  QuotaExceeded: 'full', EntityTooLarge: 'refused', XMinioStorageFull: 'full', XMinioAdminBucketQuotaExceeded: 'full',
  RequestTimeout: 'timeout', TimeoutError: 'timeout',
  CredentialsProviderError: 'denied', ExpiredToken: 'denied', InvalidToken: 'denied', InvalidAccessKeyId: 'denied', SignatureDoesNotMatch: 'denied', RequestTimeTooSkewed: 'denied',
};

/** Denied to anybody with these credentials, whatever they are permitted. */
const NOT_KNOWN = new Set(Object.keys(BY_NAME).filter((name) => BY_NAME[name] === 'denied'));

/** Of the network. What is left, such as certificates, does not pass by itself. */
const UNREACHABLE = new Set(['ENOTFOUND', 'EAI_AGAIN', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'EHOSTUNREACH', 'ENETUNREACH', 'ENETDOWN', 'EADDRNOTAVAIL', 'EMFILE', 'ENFILE', 'ENOBUFS']);

export function asFault(operation: Operation, key: string, error: unknown): StoreFault {
  if (error instanceof StoreFault) return error;
  const [action, permission] = OPERATIONS[operation];
  const { reason, words } = judge(error as SdkError);
  return new StoreFault(action, reason, `${words} (${operation} of ${key || '/'})`, { cause: error, ...(reason === 'denied' && !NOT_KNOWN.has((error as SdkError).name) && { permission }) });
}

function judge(error: SdkError): { reason: StoreFault['reason']; words: string } {
  const status = error.$metadata?.httpStatusCode;
  const known = BY_NAME[error.name];
  if (status === undefined) {
    // With several addresses to try, Node wraps the failures of each. The SDK calls some of them timeouts that are none.
    const { code = '', message } = error instanceof AggregateError ? (error.errors[0] as SdkError) : error;
    if (UNREACHABLE.has(code)) return { reason: 'unreachable', words: `The storage cannot be reached: ${shorten(message)}` };
    return known === 'timeout' ? { reason: known, words: 'The storage did not answer in time.' } : { reason: known ?? 'refused', words: shorten(message) };
  }
  const words = `The storage answered ${status} ${shorten(error.name)}: ${shorten(error.message)}`;
  if (known) return { reason: known, words };
  if (status === 507) return { reason: 'full', words };
  if (status >= 500 || status === 429) return { reason: 'unreachable', words };
  return { reason: status === 401 || status === 403 ? 'denied' : 'refused', words };
}

/** Whether S3 answered with this status or code. */
export function isAnswer(error: unknown, ...answers: (string | number)[]): boolean {
  const { name, $metadata } = error as SdkError;
  return answers.includes(name) || ($metadata?.httpStatusCode !== undefined && answers.includes($metadata.httpStatusCode));
}

/** Somebody else's words, fit for a log and an answer of ours. */
function shorten(words: string): string {
  return words.replace(/[\x00-\x1f\x7f]+/g, ' ').slice(0, MAX_WORDS);
}
