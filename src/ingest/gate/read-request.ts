import { hash } from 'node:crypto';
import { findJsonFault } from '../../platform/index.js';
import type { InboundEvent, InboundRequest } from '../inbound.js';
import type { Answer, Identified } from '../providers/provider.js';
import type { LiveSource } from '../sources/live-sources.js';
import type { Inbound } from '../verify/verify.js';
import { type Document, readDocument } from './document.js';
import { headersToKeep, metadataOf } from './request.js';

const YEAR_9999_END_MS = 253_402_300_799_999;

/** What a verified request brings, and the answer that its provider demands, if it does. */
export function readRequest(source: LiveSource, inbound: Inbound): { request: InboundRequest; answer?: Answer } {
  const { provider, options, sourceId, tenantId, dedupTtlMs } = source;
  const document = readDocument(inbound.body, inbound.headers['content-type']);
  const identified = provider.identify(inbound, document.json, options);
  const headers = identified.length > 0 ? headersToKeep(inbound.headers, source) : {};
  const events = identified.map((one): InboundEvent => {
    const { data, body, contentType } = one.data === undefined ? document : partOf(one.data, inbound, document, identified.length);
    // A record that comes again may come in other company: what tells it apart is its own text.
    const signed = one.data ?? inbound.body;
    return {
      eventType: one.type, occurredAt: timeOf(one), data, body, contentType, sourceId, metadata: metadataOf(provider.name, one, headers),
      ...(one.providerEventId !== undefined && { known: { providerEventId: one.providerEventId, bodySha256: hash('sha256', signed, 'hex') } }),
      ...(one.object && { object: one.object }),
    };
  });
  return { request: { tenantId, sourceId, dedupTtlMs, events }, answer: provider.answer?.(inbound, document.json) };
}

/** The document of one event where it is only part of the body: of an only one the body is kept beside it. */
function partOf(data: string, { body, headers }: Inbound, whole: Document, parts: number): Document {
  if (findJsonFault(data)) return readDocument(Buffer.from(data), 'application/json');
  if (parts > 1 || data === whole.data) return { json: undefined, data };
  return { json: undefined, data, body, contentType: (headers['content-type'] ?? '').slice(0, 255) };
}

function timeOf({ occurredAt }: Identified): number | undefined {
  return occurredAt !== undefined && occurredAt >= 0 && occurredAt <= YEAR_9999_END_MS ? Math.floor(occurredAt) : undefined;
}
