import { Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { Clock, Log, Metrics, Problem } from '../../platform/index.js';
import { Capture } from '../capture.js';
import type { Received } from '../inbound.js';
import { Quarantine } from '../quarantine/quarantine.js';
import { type LiveSource, LiveSources, verifyAt } from '../sources/live-sources.js';
import type { Inbound, Refusal } from '../verify/verify.js';
import { readRequest } from './read-request.js';
import { inboundOf } from './request.js';

/** An answer to a provider. */
export interface GateAnswer {
  status: number;
  contentType?: string;
  body: string | object;
}

const WORDS: Record<Refusal['reason'], string> = {
  missing: 'What it should be verified by is missing.', malformed: 'What it should be verified by cannot be read.',
  stale: 'It was signed too long ago, or too far ahead.', mismatch: 'No secret of the source fits.',
};

/** What is posted to a source's URL: verified on its bytes, recognised, committed, answered. */
@Injectable()
export class Gate {
  constructor(private readonly sources: LiveSources, private readonly capture: Capture, private readonly quarantine: Quarantine, private readonly clock: Clock, private readonly metrics: Metrics, private readonly log: Log) {}

  async take(token: string, request: FastifyRequest): Promise<GateAnswer> {
    const source = await this.sources.find(token);
    if (!source) {
      this.count('', 'unknown');
      throw Problem.notFound('source');
    }
    request.tenantId = source.tenantId;
    const inbound = inboundOf(request, source.options.public_url);
    this.verify(source, inbound, request);
    const { request: inboundRequest, answer } = readRequest(source, inbound);
    const received = await this.capture.receive(inboundRequest).catch((error: unknown) => {
      this.count(source.provider.name, 'unavailable');
      throw error;
    });
    this.count(source.provider.name, outcomeOf(received));
    return answer ?? answerOf(received);
  }

  private verify(source: LiveSource, inbound: Inbound, { id }: FastifyRequest): void {
    if (source.fault) {
      this.log.error({ request_id: id, source_id: source.sourceId, fault: source.fault }, 'a source cannot verify');
      throw new Problem('unavailable', 'The source cannot verify anything just now.', { retryAfterSeconds: 60 });
    }
    const now = this.clock.now();
    const refusal = verifyAt(source, inbound, now, now);
    if (!refusal) return;
    this.count(source.provider.name, 'refused');
    this.metrics.inboundRefused.labels(source.provider.name, refusal.reason).inc();
    this.quarantine.keep(source, inbound, refusal, now);
    throw new Problem('unverified', WORDS[refusal.reason]);
  }

  private count(provider: string, outcome: string): void {
    this.metrics.countInbound(provider, outcome);
  }
}

function outcomeOf(received: Received[]): string {
  if (received.length === 0) return 'answered';
  if (received.some(({ duplicate }) => !duplicate)) return 'accepted';
  return received.some(({ conflict }) => conflict) ? 'conflict' : 'duplicate';
}

function answerOf(received: Received[]): GateAnswer {
  const data = received.map(({ event_id, duplicate }) => ({ event_id, duplicate }));
  if (data.length === 0) return { status: 200, body: { data } };
  return { status: 202, body: data.length === 1 ? data[0]! : { data } };
}
