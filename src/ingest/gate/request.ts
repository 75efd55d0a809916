import type { FastifyRequest } from 'fastify';
import type { Identified } from '../providers/provider.js';
import type { LiveSource } from '../sources/live-sources.js';
import type { Inbound } from '../verify/verify.js';

/** A request as verifiers see it. Where there is a `publicUrl`, the provider believes it posts there; the query is always the request's. */
export function inboundOf({ raw, sentType, body, protocol, host }: FastifyRequest, publicUrl: string | undefined): Inbound {
  const headers: Record<string, string> = {};
  for (const name of Object.keys(raw.headers)) {
    const value = raw.headers[name];
    if (value !== undefined && name !== 'content-type') headers[name] = typeof value === 'string' ? value : value.join(', ');
  }
  if (sentType !== undefined) headers['content-type'] = sentType;
  const query = raw.url!.indexOf('?');
  const url = publicUrl === undefined ? `${protocol}://${host}${raw.url}` : publicUrl + (query < 0 ? '' : raw.url!.slice(query));
  // Without a body there is none to parse.
  return { body: Buffer.isBuffer(body) ? body : Buffer.alloc(0), headers, url };
}

/** What proves who sent it, and what says nothing but how it came. */
const LEFT_OUT = /auth|jwt|assertion|cookie|signature|hmac|token|secret|passw|credential|api-?key|^(host|connection|keep-alive|content-length|content-encoding|transfer-encoding|te|trailer|upgrade|expect|via|forwarded|accept|accept-.*|x-forwarded-.*|x-real-ip|proxy-.*|cdn-.*|cf-.*)$|^x-(original|rewrite|replaced|envoy-original|waws)-/;
const MAX_HEADERS = 32;
const MAX_HEADER_LENGTH = 256;
const decided = new Map<string, boolean>();
const MAX_DECIDED = 1_000;

/**
 * The headers that are stored with an event. `unwantedHeaders` are those that the source's options name: they carry its credentials.
 * The token of its URL is one, too, in whatever header a proxy repeats it.
 */
export function headersToKeep(headers: Readonly<Record<string, string>>, { unwantedHeaders, token }: Pick<LiveSource, 'unwantedHeaders' | 'token'>): Record<string, string> {
  const kept: Record<string, string> = {};
  let count = 0;
  for (const name of Object.keys(headers)) {
    const value = headers[name]!;
    if (count >= MAX_HEADERS || value.length > MAX_HEADER_LENGTH || name.length > MAX_HEADER_LENGTH || isLeftOut(name) || unwantedHeaders.has(name) || (token !== undefined && value.includes(token))) continue;
    kept[name] = value;
    count++;
  }
  return kept;
}

function isLeftOut(name: string): boolean {
  let is = decided.get(name);
  if (is === undefined) {
    if (decided.size >= MAX_DECIDED) decided.clear();
    decided.set(name, (is = LEFT_OUT.test(name)));
  }
  return is;
}

/** The `metadata` of an event that came in through a source, as JSON text. */
export function metadataOf(provider: string, { providerEventId, subject, correlationIds }: Identified, headers: Record<string, string>): string {
  return JSON.stringify({ provider, provider_event_id: providerEventId, subject, ...(correlationIds.length > 0 && { correlation_ids: correlationIds }), headers });
}
