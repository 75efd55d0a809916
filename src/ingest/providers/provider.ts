import type { Fault } from '../../platform/index.js';
import type { Inbound, Verify } from '../verify/verify.js';

/** What a provider says of one event in a request. A request holds one, mostly; bucket notices may hold many, or none. */
export interface Identified {
  /** The provider's own id of the event: what repeats are known by. Absent, every request is a new event. */
  providerEventId?: string;
  /** The provider's type; made to fit `EVENT_TYPE` by whoever stores it. */
  type: string;
  /** When it happened, in epoch milliseconds, where the provider says so. */
  occurredAt?: number;
  /** What it is about: a resource id, a URL, an object key. */
  subject?: string;
  /** Ids by which it hangs together with other events. */
  correlationIds: string[];
  /** JSON text to store as `data` instead of the body, where a request holds several events. */
  data?: string;
}

/** An answer that a provider demands instead of ours. */
export interface Answer {
  status: number;
  contentType: string;
  body: string;
}

/** One provider, declared as a value: how its requests are verified, read and answered. */
export interface Provider {
  /** As `provider` of a source names it. */
  name: string;
  /** Whether a source of this provider needs at least one secret. */
  needsSecret: boolean;
  verify: Verify;
  /** `json` is the parsed body, undefined where it is not JSON. Never throws: what is not there is left out. */
  identify(inbound: Inbound, json: unknown): Identified[];
  /** The answer this provider demands to this (verified) request, if it is not the usual 202. */
  answer?(inbound: Inbound, json: unknown): Answer | undefined;
  /** What is wrong with the source's `options`, pointers relative to it. Absent, the provider knows none beside the common ones. */
  findOptionFaults?(options: Record<string, unknown>): Fault[];
  /** What is wrong with a secret of this provider (its form, its length), in words. */
  findSecretFault?(secret: string): string | undefined;
}
