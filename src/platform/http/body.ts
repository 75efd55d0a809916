import { isUtf8 } from 'node:buffer';
import type { FastifyInstance } from 'fastify';
import { Problem } from '../errors/problem.js';
import { findJsonFault, pointerAt } from './json-text.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** The body as it was sent, where it was JSON. */
    bodyText?: string;
  }
  interface FastifyContextConfig {
    /** The route looks at `bodyText` itself: members that cannot be stored are its own to refuse. */
    judgesBody?: boolean;
  }
}

/**
 * Parses `application/json` bodies and keeps their text. Refuses with 400 what is not UTF-8 or not JSON, and (unless the
 * route judges for itself) what nests too deeply or holds characters that cannot be stored, naming the place.
 */
export function registerBodyParser(fastify: FastifyInstance): void {
  fastify.removeContentTypeParser(['application/json', 'text/plain']);
  fastify.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    if (body.length === 0) return done(null, undefined);
    try {
      const { text, value } = readJson(body);
      request.bodyText = text;
      if (!request.routeOptions.config.judgesBody) refuseFault(text);
      done(null, value);
    } catch (error) {
      done(error as Error);
    }
  });
}

function readJson(body: Buffer): { text: string; value: unknown } {
  if (!isUtf8(body)) throw new Problem('unreadable_body', 'The body is not valid UTF-8.', { errors: [{ pointer: '', detail: 'is not valid UTF-8' }] });
  const text = body.toString('utf8');
  try {
    return { text, value: JSON.parse(text) };
  } catch (error) {
    const detail = text.startsWith('\uFEFF') ? 'starts with a byte order mark; send plain UTF-8' : `is not JSON: ${(error as Error).message}`;
    throw new Problem('unreadable_body', `The body ${detail}.`, { errors: [{ pointer: '', detail }] });
  }
}

function refuseFault(text: string): void {
  const fault = findJsonFault(text);
  if (fault) throw Problem.invalid({ pointer: pointerAt(text, fault.at), detail: fault.detail });
}
