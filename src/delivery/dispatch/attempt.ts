import { Injectable } from '@nestjs/common';
import { Clock, Dispatcher, type ErrorClass, type Exchange, Metrics, version } from '../../platform/index.js';
import { scrub } from '../credentials/scrub.js';
import type { Endpoint } from '../webhooks/endpoints.js';
import type { Message, Shaped } from '../shapes/message.js';
import type { AttemptRecord } from './settle.sql.js';
import { contractHeaders } from '../signing/contract.js';
import { keyAt, publicKeyHeaders, signatureHeaders } from '../signing/sign.js';
import { failureOf } from './verdict.js';

/** Stands in the record for the value of a static header, which may be a credential. */
const MASKED = '(set on the webhook)';

/** Makes one attempt: builds the message, signs it, sends it, and writes down what happened. */
@Injectable()
export class Attempts {
  constructor(private readonly dispatcher: Dispatcher, private readonly clock: Clock, private readonly metrics: Metrics) {}

  async make(endpoint: Endpoint, deliveryId: string, message: Message): Promise<{ exchange: Exchange; record: AttemptRecord }> {
    const startedAt = new Date(this.clock.now());
    if (endpoint.fault) return unsent(startedAt, 'secret_unreadable', endpoint.fault);
    let shaped: Shaped;
    try {
      shaped = endpoint.shape(message);
    } catch (error) {
      // Retried like any failure: by then its owner may have mended the template, or the machine be less busy than its time limit took it to be.
      return unsent(startedAt, 'template', (error as Error).message);
    }
    const { body, contentType } = shaped;
    const ours: Record<string, string> = {
      'content-type': contentType,
      'user-agent': `Lakehook/${version}`,
      ...this.sign(endpoint, message.event_id, startedAt.getTime(), body),
      'x-webhook-event': message.event_type,
      'x-webhook-delivery': deliveryId,
    };
    if (endpoint.contract) {
      const facts = { id: message.event_id, timestampMs: startedAt.getTime(), eventType: message.event_type, deliveryId };
      Object.assign(ours, contractHeaders(endpoint.contract, facts, body, { ...endpoint.headers, ...ours }, liveAt(endpoint, facts.timestampMs).map(({ contractKey }) => contractKey)));
    }
    this.metrics.attemptsInFlight.inc();
    const exchange = await this.send(endpoint, { ...endpoint.headers, ...ours }, body).finally(() => this.metrics.attemptsInFlight.dec());
    const failure = failureOf(exchange);
    this.metrics.attempts.labels(failure?.errorClass ?? 'succeeded').observe(exchange.durationMs / 1000);
    return {
      exchange,
      record: {
        startedAt, durationMs: exchange.durationMs,
        requestHeaders: { ...Object.fromEntries(Object.keys(endpoint.headers).map((name) => [name, MASKED])), ...(endpoint.tokens && { authorization: MASKED }), ...ours },
        responseStatus: exchange.status, responseHeaders: exchange.headers, responseBody: exchange.body,
        errorClass: failure?.errorClass, error: failure?.error,
      },
    };
  }

  /** The headers of Standard Webhooks, by each scheme that the webhook wants. */
  private sign(endpoint: Endpoint, id: string, at: number, body: Buffer): Record<string, string> {
    const timestamp = Math.floor(at / 1000);
    const v1 = endpoint.signing.includes('v1') ? signatureHeaders(id, timestamp, body, liveAt(endpoint, at).map(({ key }) => key)) : undefined;
    return endpoint.signingKeys ? publicKeyHeaders(id, timestamp, body, keyAt(endpoint.signingKeys, at), v1) : v1!;
  }

  private async send({ url, tls, tokens, secrets }: Endpoint, headers: Record<string, string>, body: Buffer): Promise<Exchange> {
    const exchange = tokens
      ? await tokens.use((authorization) => this.dispatcher.post(url, { ...headers, authorization }, body, tls))
      : await this.dispatcher.post(url, headers, body, tls);
    return secrets.length > 0 ? scrub(exchange, secrets) : exchange;
  }
}

function liveAt({ keys }: Endpoint, at: number): Endpoint['keys'] {
  return keys.filter(({ expiresAt }) => expiresAt > at);
}

/** What comes of an attempt that failed before anything was sent. */
export function unsent(startedAt: Date, errorClass: ErrorClass, error: string): { exchange: Exchange; record: AttemptRecord } {
  return { exchange: { errorClass, error, durationMs: 0 }, record: { startedAt, durationMs: 0, requestHeaders: {}, errorClass, error } };
}
