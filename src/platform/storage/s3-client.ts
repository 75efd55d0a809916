import { pipeline, type Readable, Transform } from 'node:stream';
import type { S3 } from '@aws-sdk/client-s3';
import { AddressGuard } from '../outbound/guard.js';
import { guardedAgents } from '../outbound/guarded-agents.js';
import type { S3Settings } from './store.js';

export type Sdk = typeof import('@aws-sdk/client-s3');

/** A client of one bucket's service, and the SDK it comes from. */
export interface Client {
  sdk: Sdk;
  s3: S3;
}

const CONNECT_TIMEOUT_MS = 5_000;
const IDLE_TIMEOUT_MS = 30_000;
const ATTEMPTS = 4;
const SOCKETS = 16;
/** A page of a list has at most 1,000 keys of 1,024 bytes, each of which may take six in XML. What is longer is meant ill. */
const MAX_DOCUMENT_BYTES = 16 * 1024 * 1024;

/**
 * Makes a client. The SDK is loaded here, for the first that needs it: it costs a quarter of a second and 35 MB.
 *
 * The endpoint may have been named by somebody else, so it is reached through the address guard, what the environment says about
 * endpoints is not heard, and its answers are read up to a bound. Credentials that are looked up (instance roles and such) go
 * their own way inside the SDK. Checksums beyond the signed ones are sent only where S3 demands them, for most of what calls
 * itself S3-compatible refuses the newer kinds.
 */
export async function openClient(settings: S3Settings): Promise<Client> {
  const sdk = await import('@aws-sdk/client-s3');
  const { timeoutMs = IDLE_TIMEOUT_MS } = settings;
  const s3 = new sdk.S3({
    region: settings.region,
    endpoint: settings.endpoint,
    forcePathStyle: settings.pathStyle,
    credentials: settings.credentials,
    ignoreConfiguredEndpointUrls: true,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    maxAttempts: settings.attempts ?? ATTEMPTS,
    retryMode: 'standard',
    requestHandler: {
      ...guardedAgents(new AddressGuard(settings.allowPrivate), { keepAlive: true, maxSockets: SOCKETS }),
      connectionTimeout: Math.min(CONNECT_TIMEOUT_MS, timeoutMs),
      socketTimeout: timeoutMs,
      // The idle timeout alone would wait for ever on who sends a byte now and then.
      requestTimeout: 20 * timeoutMs,
      throwOnRequestTimeout: true,
    },
  });
  s3.middlewareStack.add((next, { commandName }) => async (args) => {
    const answer = await next(args);
    const response = answer.response as { statusCode: number; body: Readable };
    if (commandName !== 'GetObjectCommand' || response.statusCode >= 300) response.body = bounded(response.body);
    return answer;
  }, { step: 'deserialize', priority: 'low', name: 'boundedDocuments' });
  return { sdk, s3 };
}

function bounded(body: Readable): Readable {
  let bytes = 0;
  const bound = new Transform({
    transform(chunk: Buffer, _, done) {
      bytes += chunk.length;
      done(bytes > MAX_DOCUMENT_BYTES ? new Error(`the answer is longer than ${MAX_DOCUMENT_BYTES} bytes`) : null, chunk);
    },
  });
  // Who reads it hears of a failure.
  return pipeline(body, bound, () => {});
}
