import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { FastifyHttpOptions, FastifyInstance, RawServerDefault } from 'fastify';
import type { Config } from '../config/config.js';
import { asProblem, sendProblem } from '../errors/problem.filter.js';
import { Problem } from '../errors/problem.js';
import { uuidv7 } from '../ids.js';
import { Log } from '../observe/log.js';
import { Metrics } from '../observe/metrics.js';
import { registerBodyParser } from './body.js';
import { answerBrokenRequest } from './broken-request.js';

declare module 'fastify' {
  interface FastifyRequest {
    keyId?: string;
  }
}

/** How often connections are looked through for requests that take too long to arrive. */
const CHECKING_MS = 500;
const MAX_HEADERS = 100;
const MAX_HEADER_BYTES = 16 * 1024;

const PROBES = new Set(['/livez', '/readyz', '/metrics']);

/** The Fastify server as Lakehook sets it up: limits, request ids, body parsing, one log line and one metric per request. */
export function createServer(config: Config, log: Log, metrics: Metrics): FastifyAdapter {
  const options: FastifyHttpOptions<RawServerDefault> = {
    bodyLimit: config.MAX_BODY_BYTES,
    routerOptions: { maxParamLength: 512 },
    requestTimeout: config.REQUEST_TIMEOUT_MS,
    http: { requestTimeout: config.REQUEST_TIMEOUT_MS, headersTimeout: Math.min(config.HEADERS_TIMEOUT_MS, config.REQUEST_TIMEOUT_MS), connectionsCheckingInterval: CHECKING_MS, maxHeaderSize: MAX_HEADER_BYTES },
    clientErrorHandler: answerBrokenRequest,
    // Above the idle timeout of common proxies, so that it is they who close, not we under their feet.
    keepAliveTimeout: 72_000,
    forceCloseConnections: 'idle',
    genReqId: (request) => acceptedRequestId(request.headers['x-request-id']) ?? uuidv7(Date.now()),
    // `/api/...` is the same as `/v1/...`.
    rewriteUrl: (request) => (request.url!.startsWith('/api/') ? `/v1/${request.url!.slice(5)}` : request.url!),
    frameworkErrors: (error, request, reply) => sendProblem(request, reply as never, asProblem(error), log),
  };
  const adapter = new FastifyAdapter(options);
  const fastify = adapter.getInstance() as unknown as FastifyInstance;
  fastify.server.maxConnections = config.MAX_CONNECTIONS;
  // Node would drop what is beyond its limit and pass on the rest, as if it had been the whole.
  fastify.server.maxHeadersCount = 0;
  registerBodyParser(fastify, config.MAX_BODY_BYTES);
  fastify.addHook('onRequest', (request, reply, done) => {
    void reply.header('x-request-id', request.id).header('x-content-type-options', 'nosniff');
    if (request.raw.rawHeaders.length > 2 * MAX_HEADERS) sendProblem(request, reply, new Problem('headers_too_large', `The request has more than ${MAX_HEADERS} headers.`), log);
    else if (config.servesApi || PROBES.has(request.routeOptions.url ?? '')) done();
    else sendProblem(request, reply, new Problem('not_found', 'This process has ROLE=worker and serves no API.'), log);
  });
  fastify.addHook('onSend', (request, reply, payload, done) => {
    if (!request.keepAnswer) return done(null, payload);
    const keep = request.keepAnswer;
    request.keepAnswer = undefined;
    // The work is done: a failure to keep its answer must not turn it into an error. The key stays in use for a minute.
    keep(reply.statusCode, typeof payload === 'string' ? payload : 'null').then(() => done(null, payload), (error: unknown) => {
      log.error({ request_id: request.id, err: error }, 'the answer of an idempotent request could not be kept');
      done(null, payload);
    });
  });
  fastify.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url ?? 'unmatched';
    const seconds = reply.elapsedTime / 1000;
    metrics.observeRequest(request.method, route, reply.statusCode, seconds);
    // Probes come every few seconds for ever; only their failures are news.
    const level = PROBES.has(route) && reply.statusCode < 400 ? 'debug' : 'info';
    log[level]({ request_id: request.id, method: request.method, route, status: reply.statusCode, duration_ms: Math.round(reply.elapsedTime * 10) / 10, tenant_id: request.tenantId, key_id: request.keyId }, 'request');
    done();
  });
  return adapter;
}

function acceptedRequestId(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' && /^[\x21-\x7e]{1,128}$/.test(header) ? header : undefined;
}
