/** A request as it arrived at a source's URL. */
export interface Inbound {
  /** The raw bytes of the body: what providers sign. */
  body: Buffer;
  /** Names in lower case; a header given several times is joined with `, `. */
  headers: Readonly<Record<string, string>>;
  /** Where the provider believes it posts: the source's `public_url` or else what the request says, always with the query of the request. */
  url: string;
}

/** What a scheme needs to know beside the request. */
export interface VerifyOptions {
  /** Live secrets, the newest first, none of them empty; one that fits is enough. */
  secrets: readonly string[];
  /** How far a signed time may lie from now, in either direction; 0 switches the check off. */
  toleranceSeconds: number;
  /** Now, in epoch milliseconds. */
  now: number;
  /** The source's own `options`, read by the provider. */
  options: Readonly<Record<string, unknown>>;
}

/**
 * Why a request is not believed: `missing` (the signature or a header it needs is absent), `malformed` (it cannot be read),
 * `stale` (signed too long ago or too far ahead) or `mismatch` (no live secret fits). `detail` is for people and shows no secret.
 */
export interface Refusal {
  reason: 'missing' | 'malformed' | 'stale' | 'mismatch';
  detail: string;
}

/** One scheme: undefined when the request is genuine. Pure, and constant in time over the secret. */
export type Verify = (inbound: Inbound, options: VerifyOptions) => Refusal | undefined;
