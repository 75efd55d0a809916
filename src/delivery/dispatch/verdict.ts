import { STATUS_CODES } from 'node:http';
import type { Exchange } from '../../platform/index.js';
import type { Claim } from './claim.sql.js';
import { nextWaitMs, readRetryAfter, type RetryPolicy } from '../webhooks/retry.js';

/** What an attempt means for its delivery. */
export type Verdict =
  | { kind: 'succeeded'; disable?: string }
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
 * milliseconds dates a Retry-After. 410 ends the delivery and disables its webhook, and so does a receiver that asks for it by
 * header; a 2xx is a success even then.
 */
export function judge(exchange: Exchange, policy: RetryPolicy, tries: number, now: number, random = Math.random): Verdict {
  const failure = failureOf(exchange);
  const { status, headers = {} } = exchange;
  const { disable, abort } = readWishes(headers);
  if (!failure) return { kind: 'succeeded', ...(disable && { disable }) };
  if (disable) return { kind: 'dead', reason: `${disable} The attempt failed: ${failure.error}`, disable };
  if (status === 410) {
    return { kind: 'dead', reason: 'The receiver answered HTTP 410 Gone: it does not want these events any more.', disable: 'The receiver answered HTTP 410 Gone.' };
  }
  if (abort) return { kind: 'dead', reason: `${abort} The attempt failed: ${failure.error}` };
  const waitMs = nextWaitMs(policy, tries, retryAfterOf(exchange, now), random);
  if (waitMs !== undefined) return { kind: 'retry', waitMs };
  return { kind: 'dead', exhausted: true, reason: `${tries === 1 ? 'The only attempt' : `All ${tries} attempts`} failed. The last one: ${failure.error}` };
}

/** Answers by which a receiver that is there refuses this one event. */
const REFUSALS = new Set([400, 409, 413, 415, 422]);

/**
 * Whether an attempt with which an open circuit was probed costs its delivery no retry. Only what says something of the receiver:
 * a message that could not be made was no probe, and the head of a line that is refused would have all behind it wait for ever.
 */
export function isFreeProbe({ is_probe, order_key }: Pick<Claim, 'is_probe' | 'order_key'>, status: number | undefined, errorClass: string | undefined): boolean {
  return is_probe && errorClass !== 'template' && !(order_key !== null && REFUSALS.has(status ?? 0));
}

/** What a 429 or 503 asks for, in milliseconds; 0 otherwise. */
export function retryAfterOf({ status, headers }: Exchange, now: number): number {
  return status === 429 || status === 503 ? readRetryAfter(headers?.['retry-after'], now) : 0;
}

/**
 * What the receiver asks for by header, as a sentence each: `webhook-delivery: disable` wants nothing more at all,
 * `webhook-delivery: abort-message` no further attempt at this event. Tokens are separated by commas, and their case does not matter.
 * A header `abort-message` of any value but `false` asks for the same.
 */
function readWishes(headers: Record<string, string | string[]>): { disable?: string; abort?: string } {
  const tokens = tokensOf(headers['webhook-delivery']);
  const bare = headers['abort-message'] !== undefined && !tokensOf(headers['abort-message']).includes('false');
  return {
    disable: tokens.includes('disable') ? 'The receiver asked for no more events (webhook-delivery: disable).' : undefined,
    abort: bare || tokens.includes('abort-message') ? 'The receiver asked for no further attempt at this event (abort-message).' : undefined,
  };
}

function tokensOf(header: string | string[] = []): string[] {
  return [header].flat().join(',').toLowerCase().split(',').map((token) => token.trim());
}
