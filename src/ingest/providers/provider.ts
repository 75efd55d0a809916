import type { Fault } from '../../platform/index.js';
import type { Inbound, Verify } from '../verify/verify.js';

/**
 * What a provider says of one event in a request. A request holds one, mostly; bucket notices may hold many, or none. Every
 * text in here can be stored as it is: at most 255 characters, without NUL and half surrogate pairs.
 */
export interface Identified {
  /** The provider's own id of the event: what repeats are known by. Absent, every request is a new event. */
  providerEventId?: string;
  /** The provider's type, made to fit `EVENT_TYPE`. */
  type: string;
  /** When it happened, in epoch milliseconds, where the provider says so. */
  occurredAt?: number;
  /** What it is about: a resource id, a URL, an object key. */
  subject?: string;
  /** Ids by which it hangs together with other events. */
  correlationIds: string[];
  /** JSON text to store as `data` instead of the body, where a request holds several events. */
  data?: string;
  /** The object of a bucket that came or went, where the event says so. */
  object?: ObjectNotice;
}

/** A bucket's word that an object came or went: a hint that may repeat and come out of order, so look at the object itself. */
export interface ObjectNotice {
  bucket: string;
  /** As the object is called, not as a URL spells it. */
  key: string;
  size?: number;
  etag?: string;
  /** Orders the notices of one key: the shorter is padded with zeros on the left, then they compare as text. */
  sequencer?: string;
  version_id?: string;
  event: 'created' | 'removed';
  /** RFC 3339. */
  occurred_at?: string;
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
  /**
   * `json` is the parsed body, undefined where it is not JSON. Never throws: what is not there is left out. Of an empty list
   * nothing is stored, and the answer is 200 unless `answer` has another.
   */
  identify(inbound: Inbound, json: unknown, options: Readonly<Record<string, unknown>>): Identified[];
  /** The answer this provider demands to this (verified) request, if it is not the usual 202. */
  answer?(inbound: Inbound, json: unknown): Answer | undefined;
  /** How a sender that shows no credentials is asked for them, in the words of `WWW-Authenticate`: some send theirs only then. */
  challenge?(options: Readonly<Record<string, unknown>>, secrets: readonly string[]): string | undefined;
  /**
   * What is wrong with the source's `options`, pointers relative to it. Gets all but the common ones and refuses what it does
   * not know. Absent, the provider knows none.
   */
  findOptionFaults?(options: Record<string, unknown>): Fault[];
  /** What is wrong with a secret of this provider (its form, its length), in words. */
  findSecretFault?(secret: string): string | undefined;
}
