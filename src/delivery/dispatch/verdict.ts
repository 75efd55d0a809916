import { STATUS_CODES } from 'node:http';
import type { Exchange } from '../../platform/index.js';
import { nextWaitMs, readRetryAfter, type RetryPolicy } from '../webhooks/retry.js';

/** What an attempt means for its delivery. */
export type Verdict =
  | { kind: 'succeeded' }
  | { kind: 'retry'; waitMs: number }
  | { kind: 'dead'; reason: string; disable?: string; exhausted?: boolean };

/** Why an attempt failed, for the log: a class to count by and a sentence to read. */
export interface Failure {
  errorClass: string;
  error: string;
}

/** The failure in an exchange, or undefined when the receiver took the event: any 2xx, read to its end. */
export function failureOf(exchange: Exchange): Failure | undefined {
  if ('errorClass' in exchange) return exchange;
  const { status } = exchange;
  if (status >= 200 && status < 300) return undefined;
  const words = `HTTP ${status}${STATUS_CODES[status] ? ` ${STATUS_CODES[status]}` : ''}`;
  if (status >= 300 && status < 400) return { errorClass: 'redirect', error: `${words}: redirects are not followed; register the final URL.` };
  return { errorClass: status >= 500 ? 'http_5xx' : 'http_4xx', error: words };
}

/**
 * Judges one exchange. `tries` counts attempts since the delivery was made or redriven, this one included; `now` in epoch
 * milliseconds dates a Retry-After. 410 ends the delivery and disables its webhook.
 */
export function judge(exchange: Exchange, policy: RetryPolicy, tries: number, now: number, random = Math.random): Verdict {
  const failure = failureOf(exchange);
  if (!failure) return { kind: 'succeeded' };
  if (exchange.status === 410) {
    return { kind: 'dead', reason: 'The receiver answered HTTP 410 Gone: it does not want these events any more.', disable: 'The receiver answered HTTP 410 Gone.' };
  }
  const waitMs = nextWaitMs(policy, tries, retryAfterOf(exchange, now), random);
  if (waitMs !== undefined) return { kind: 'retry', waitMs };
  return { kind: 'dead', exhausted: true, reason: `${tries === 1 ? 'The only attempt' : `All ${tries} attempts`} failed. The last one: ${failure.error}` };
}

/** What a 429 or 503 asks for, in milliseconds; 0 otherwise. */
export function retryAfterOf({ status, headers }: Exchange, now: number): number {
  return status === 429 || status === 503 ? readRetryAfter(headers?.['retry-after'], now) : 0;
}
