import type { Appended, NewEvent, Publish } from '../events/index.js';
import type { ObjectNotice } from './providers/provider.js';

/** An event of a request to a source. */
export interface InboundEvent extends NewEvent {
  /** What repeats are known by: the provider's id, and the digest, in hex, of the bytes that came with it. Absent, every request is a new event. */
  known?: { providerEventId: string; bodySha256: string };
  /** The object of a bucket that it is about. */
  object?: ObjectNotice;
}

/** What a verified request to a source brings, ready to be stored: a value with no ties, so that it can also be written down and stored later. */
export interface InboundRequest extends Publish {
  sourceId: string;
  /** How long ids of this source are remembered. */
  dedupTtlMs: number;
  /** When it came, where that is long ago: what has been remembered since then is known, whether or not it has expired. */
  receivedAt?: number;
  events: InboundEvent[];
}

/** What became of an event. The id is that of the first with the same provider id. */
export interface Received extends Appended {
  /** It is a duplicate, but its bytes are others. */
  conflict?: boolean;
}

export function isInbound(publish: Publish): publish is InboundRequest {
  return 'sourceId' in publish;
}

/** What an event came in as. */
export function bytesOf({ body, data }: NewEvent): Uint8Array {
  return body ?? Buffer.from(data);
}
