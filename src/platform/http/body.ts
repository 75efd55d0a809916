import { isUtf8 } from 'node:buffer';
import { errorCodes, type FastifyInstance, type onRequestHookHandler } from 'fastify';
import { Problem } from '../errors/problem.js';
import { findJsonFault, pointerAt } from './json-text.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** The body as it was sent, where it was JSON. */
    bodyText?: string;
    /** The `content-type` of a body that is taken as bytes. */
    sentType?: string;
  }
  interface FastifyContextConfig {
    /** The route looks at `bodyText` itself: members that cannot be stored are its own to refuse, and a long text is its own to parse, in turns. */
    judgesBody?: boolean;
    /** What the route does is done once however often it is asked, by ids that follow from the request: it works while Postgres is away. */
    outlivesDatabase?: boolean;
    /** The route takes any body of any type, or none, as the bytes that came; `sentType` is what the header says of them. */
    takesBytes?: boolean;
    /** The route takes many records at once: its bodies may be {@link BULK_TIMES} as large as others. */
    takesBulk?: boolean;
  }
}

/** From here on parsing takes so long (some 10 µs a kilobyte) that others would feel it. */
const LONG_BYTES = 64 * 1024;

/**
 * Parses `application/json` bodies and keeps their text. Refuses with 400 what is not UTF-8 or not JSON, and (unless the
 * route judges for itself) what nests too deeply or holds characters that cannot be stored, naming the place.
 */
export function registerBodyParser(fastify: FastifyInstance, maxBytes: number): void {
  takeBytes(fastify);
  fastify.addHook('onRoute', (route) => {
    if (route.config?.takesBulk) route.bodyLimit = BULK_TIMES * maxBytes;
  });
  fastify.removeContentTypeParser(['application/json', 'text/plain']);
  fastify.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    if (body.length === 0) return done(null, undefined);
    try {
      const text = (request.bodyText = readText(body));
      if (!request.routeOptions.config.judgesBody) {
        const value = parseJson(text);
        refuseFault(text);
        done(null, value);
      } else done(null, body.length < LONG_BYTES ? parseJson(text) : undefined);
    } catch (error) {
      done(error as Error);
    }
  });
}

/** Ten thousand records of 2 KiB each, where other bodies end at 5 MiB. */
const BULK_TIMES = 4;

const BYTES = 'application/octet-stream';

/** Routes that take bytes: whatever type their requests name, or garble, is put aside before the server looks for a parser. */
function takeBytes(fastify: FastifyInstance): void {
  const putTypeAside: onRequestHookHandler = (request, _reply, done) => {
    const { headers } = request.raw;
    request.sentType = headers['content-type'];
    headers['content-type'] = BYTES;
    const encoding = headers['content-encoding'];
    if (encoding !== undefined && encoding.toLowerCase() !== 'identity') return done(new Problem('unsupported_media_type', 'Send the body as it is, without Content-Encoding.'));
    done();
  };
  fastify.addHook('onRoute', (route) => {
    if (route.config?.takesBytes) route.onRequest = [putTypeAside, route.onRequest ?? []].flat();
  });
  fastify.addContentTypeParser(BYTES, { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    if (request.routeOptions.config.takesBytes) done(null, body);
    else done(new errorCodes.FST_ERR_CTP_INVALID_MEDIA_TYPE());
  });
}

function readText(body: Buffer): string {
  if (!isUtf8(body)) throw new Problem('unreadable_body', 'The body is not valid UTF-8.', { errors: [{ pointer: '', detail: 'is not valid UTF-8' }] });
  return body.toString('utf8');
}

/** The value of a body. Throws a 400 that says where it is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const detail = text.startsWith('\uFEFF') ? 'starts with a byte order mark; send plain UTF-8' : `is not JSON: ${(error as Error).message}`;
    throw new Problem('unreadable_body', `The body ${detail}.`, { errors: [{ pointer: '', detail }] });
  }
}

function refuseFault(text: string): void {
  const fault = findJsonFault(text);
  if (fault) throw Problem.invalid({ pointer: pointerAt(text, fault.at), detail: fault.detail });
}
