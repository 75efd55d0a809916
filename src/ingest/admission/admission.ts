import { Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { defineFeature, Features } from '../../features/index.js';
import { Config, LeakyBuckets, Log, Metrics, Problem, type RateLimit, sendProblem } from '../../platform/index.js';
import { Capture } from '../capture.js';
import { Shedder } from './shedder.js';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What comes in here goes to the log, and is turned away while that cannot keep up. */
    captures?: boolean;
  }
}

const SAMPLE_MS = 20;
/** What is still waiting after so many times the target is told, instead of being kept: when there is an overload, and in any case. */
const GIVE_UP = 10, GIVE_UP_ALWAYS = 50;

/** The subject is who sends: the header with the key, or the URL with the token. */
const shedding = defineFeature({
  name: 'admission.shedding', description: 'Refuse publishes with 503 while what comes in waits too long to be stored. The subjects are API keys and source URLs.', percentage: 100,
});

/** Who is let in: refuses early what could not be stored soon, and what is beyond the limit of its key or source. */
@Injectable()
export class Admission implements OnModuleInit, OnApplicationShutdown {
  private readonly shedder: Shedder;
  private readonly buckets = new LeakyBuckets();
  private sampling: NodeJS.Timeout | undefined;

  constructor(
    private readonly http: HttpAdapterHost, private readonly capture: Capture, private readonly features: Features, private readonly config: Config, private readonly metrics: Metrics, private readonly log: Log,
  ) {
    this.shedder = new Shedder(config.ADMISSION_TARGET_MS);
  }

  onModuleInit(): void {
    const fastify = this.http.httpAdapter.getInstance() as FastifyInstance;
    // Before the body is read: turning away must cost next to nothing.
    fastify.addHook('onRequest', (request, reply, done) => {
      if (request.routeOptions.config.captures && this.isOverloaded(request)) sendProblem(request, reply, this.overloaded(), this.log);
      else done();
    });
    if (this.config.servesApi) this.sample(performance.now() + SAMPLE_MS);
  }

  onApplicationShutdown(): void {
    clearTimeout(this.sampling);
  }

  /** Counts `count` events against the limit of a key or source, per process. Throws 429 with the time at which they will fit. */
  count(id: string, limit: RateLimit | undefined, count: number): void {
    if (!limit) return;
    const waitMs = this.buckets.tryPour(id, count, limit, performance.now());
    if (waitMs === 0) return;
    this.metrics.admissionRefused.inc({ reason: 'rate_limited' });
    throw new Problem('rate_limited', `No more than ${limit.per_second} events per second are taken here, ${limit.burst} at once.`, { retryAfterSeconds: Math.ceil(waitMs / 1_000) });
  }

  private isOverloaded({ headers, url }: FastifyRequest): boolean {
    if (this.shedder.share === 0 || !this.shedder.refuses()) return false;
    return this.features.isOn(shedding, String(headers.authorization ?? headers['x-api-key'] ?? url.split('?', 1)[0]));
  }

  private overloaded(): Problem {
    this.metrics.admissionRefused.inc({ reason: 'overloaded' });
    return new Problem('overloaded', 'What comes in would have to wait too long to be stored.', { retryAfterSeconds: this.shedder.retryAfterSeconds });
  }

  /** What delays everybody: the queue before the transaction, and the event loop, by how late it runs this. */
  private sample(due: number): void {
    this.sampling = setTimeout(() => {
      const now = performance.now();
      this.shedder.sample(Math.max(this.capture.delayMs, now - due), now);
      this.metrics.admissionDelay.set(this.shedder.delayMs / 1_000);
      this.capture.giveUp((this.shedder.share > 0 ? GIVE_UP : GIVE_UP_ALWAYS) * this.config.ADMISSION_TARGET_MS, () => this.overloaded());
      this.sample(now + SAMPLE_MS);
    }, SAMPLE_MS).unref();
  }
}
