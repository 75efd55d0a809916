import { Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { Clock, Log, Metrics, Problem } from '../../platform/index.js';
import { Admission } from '../admission/admission.js';
import { Capture } from '../capture.js';
import type { InboundEvent, Received } from '../inbound.js';
import { giveStableIds, Quarantine } from '../quarantine/quarantine.js';
import { type LiveSource, LiveSources, verifyAt } from '../sources/live-sources.js';
import { headerOf } from '../verify/inbound.js';
import type { Inbound, Refusal } from '../verify/verify.js';
import { readRequest } from './read-request.js';
import { inboundOf } from './request.js';
import { faultsIn, type Refused, Validation } from './validation.js';

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

/** What is posted to a source's URL: verified on its bytes, recognised, held against schemas, committed, answered. */
@Injectable()
export class Gate {
  constructor(
    private readonly sources: LiveSources, private readonly admission: Admission, private readonly validation: Validation, private readonly capture: Capture, private readonly quarantine: Quarantine,
    private readonly clock: Clock, private readonly metrics: Metrics, private readonly log: Log,
  ) {}

  async take(token: string, request: FastifyRequest): Promise<GateAnswer> {
    const source = await this.sources.find(token);
    if (!source) {
      this.count('', 'unknown');
      throw Problem.notFound('source');
    }
    request.tenantId = source.tenantId;
    const now = this.clock.now();
    const inbound = inboundOf(request, source.options.public_url);
    this.verify(source, inbound, now, request);
    const { request: inboundRequest, answer } = readRequest(source, inbound);
    const { events } = inboundRequest;
    try {
      // Only what is genuine counts: else a stranger could use the limit up.
      if (events.length > 0) this.admission.count(source.sourceId, source.options.rate_limit, events.length);
      const refused = await this.validation.hold(source, events);
      if (refused.size > 0) await this.setAside(source, inbound, events, refused, now);
      const received = await this.capture.receive(refused.size === 0 ? inboundRequest : { ...inboundRequest, events: events.filter((event) => !refused.has(event)) });
      this.count(source.provider.name, outcomeOf(received));
      return answer ?? answerOf(events, received, refused);
    } catch (error) {
      this.count(source.provider.name, error instanceof Problem ? (OUTCOMES[error.code] ?? 'unavailable') : 'unavailable');
      throw error;
    }
  }

  private verify(source: LiveSource, inbound: Inbound, now: number, { id }: FastifyRequest): void {
    if (source.fault) {
      this.log.error({ request_id: id, source_id: source.sourceId, fault: source.fault }, 'a source cannot verify');
      throw new Problem('unavailable', 'The source cannot verify anything just now.', { retryAfterSeconds: 60 });
    }
    const refusal = verifyAt(source, inbound, now, now);
    if (!refusal) return;
    const { provider, options, secrets } = source;
    const challenge = provider.challenge?.(options, secrets.map(({ secret }) => secret));
    // Who has to be asked for a password comes again with it: there is nothing to keep.
    const isFirstTry = refusal.reason === 'missing' && challenge?.startsWith('Basic ') && headerOf(inbound, 'authorization') === undefined;
    this.count(provider.name, isFirstTry ? 'challenged' : 'refused');
    if (!isFirstTry) {
      this.metrics.inboundRefused.labels(provider.name, refusal.reason).inc();
      this.quarantine.keep(source, inbound, refusal, now);
    }
    throw new Problem('unverified', WORDS[refusal.reason], { challenge });
  }

  /** Keeps a request with events that their schemas refuse, whole: mend the schema, and it can be stored. Throws when nothing of it is to be. */
  private async setAside(source: LiveSource, inbound: Inbound, events: InboundEvent[], refused: Refused, now: number): Promise<void> {
    const problem = Problem.invalid(...faultsIn(events, refused));
    const quarantineId = await this.quarantine.keepInvalid(source, inbound, events, problem.detail, now);
    if (quarantineId === undefined) throw new Problem('unavailable', 'The schema of its type refuses it, and it cannot be kept for later just now.', { retryAfterSeconds: 5 });
    giveStableIds(quarantineId, events);
    if (refused.size === events.length) throw problem;
  }

  private count(provider: string, outcome: string): void {
    this.metrics.countInbound(provider, outcome);
  }
}

const OUTCOMES: Partial<Record<Problem['code'], string>> = { rate_limited: 'limited', invalid: 'invalid' };

function outcomeOf(received: Received[]): string {
  if (received.length === 0) return 'answered';
  if (received.some(({ duplicate }) => !duplicate)) return 'accepted';
  return received.some(({ conflict }) => conflict) ? 'conflict' : 'duplicate';
}

function answerOf(events: InboundEvent[], received: Received[], refused: Refused): GateAnswer {
  let at = 0;
  const data = events.map((event, index) => {
    const faults = refused.get(event);
    if (faults) return { index, error: Problem.invalid(...faults).toBody(`/in#/events/${index}`) };
    const { event_id, duplicate } = received[at++]!;
    return { event_id, duplicate };
  });
  if (data.length === 0) return { status: 200, body: { data } };
  return { status: 202, body: data.length === 1 ? data[0]! : { data } };
}
