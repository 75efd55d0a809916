/** One place in the input that is wrong. `pointer` is a JSON pointer into the body, or `?name` for a query parameter. */
export interface Fault {
  pointer: string;
  detail: string;
}

/** A name as a JSON pointer writes it. */
export function pointerPart(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1');
}

/** The JSON pointer to a member of what `pointer` leads to. */
export function pointerTo(pointer: string, name: string): string {
  return `${pointer}/${pointerPart(name)}`;
}

/**
 * Every error a caller can meet: the code that `type` ends with, its HTTP status and title.
 * docs/errors.md is generated from this table.
 */
export const PROBLEMS = {
  unreadable_body: [400, 'The body could not be read', 'Not JSON, not UTF-8, nested too deeply, or an object with a forbidden key. Nothing was stored.'],
  unreadable_request: [400, 'The request could not be read', 'Malformed at the HTTP level, for example a bad percent-encoding in the path.'],
  unauthenticated: [401, 'A valid API key is required', 'Send `Authorization: Bearer <key>` or `X-API-Key: <key>`. Unknown, mistyped, expired and revoked keys all get this answer.'],
  unverified: [401, 'The request could not be verified', 'What was posted to a source does not carry a signature or credentials that fit. It is kept in the source\'s quarantine; mend the secret and re-verify it.'],
  forbidden: [403, 'The key lacks a scope', 'The detail names the scope. Make a key that carries it.'],
  not_found: [404, 'Not found', 'There is no such thing, or it belongs to another tenant.'],
  request_timeout: [408, 'The request took too long to arrive', 'Its headers or its body did not arrive in time, see `HEADERS_TIMEOUT_MS` and `REQUEST_TIMEOUT_MS`. Nothing was stored.'],
  conflict: [409, 'Conflict', 'The thing is in a state that does not allow this; the detail says which.'],
  idempotency_key_reused: [409, 'The idempotency key was used for another request', 'Use a fresh `Idempotency-Key` for a different body or route.'],
  idempotency_key_in_use: [409, 'A request with this idempotency key is still running', 'Wait for `Retry-After` seconds and send it again.'],
  body_too_large: [413, 'The body is too large', 'Send less at once. The limit is `MAX_BODY_BYTES`, or four times that where many records are sent at once.'],
  unsupported_media_type: [415, 'Unsupported media type', 'Send `Content-Type: application/json`, or to a source any type without `Content-Encoding`.'],
  range_not_satisfiable: [416, 'The file ends before that', 'The `Range` begins behind the last byte; `Content-Range` says how long the file is.'],
  invalid: [422, 'The request is understood but wrong', '`errors` names each faulty field by JSON pointer.'],
  rate_limited: [429, 'Too many events', 'Send it again after `Retry-After` seconds. Nothing of it was stored. The limit is the `rate_limit` of the API key, or of the source.'],
  headers_too_large: [431, 'The headers are too large', 'Send fewer or shorter headers: at most 100, of 16 KiB together.'],
  internal: [500, 'Something went wrong on our side', 'A bug. The log holds its cause under the answer\'s `request_id`.'],
  overloaded: [503, 'More comes in than can be stored just now', 'Send it again after `Retry-After` seconds. Nothing of it was stored.'],
  unavailable: [503, 'Not available right now', 'Send it again after `Retry-After` seconds. Whether it was carried out may not be known: with an `event_id` or an `Idempotency-Key` it is done once however often it is sent.'],
} as const satisfies Record<string, readonly [status: number, title: string, help: string]>;

export type ProblemCode = keyof typeof PROBLEMS;

/** An expected refusal; the exception filter renders it as RFC 9457 problem+json. */
export class Problem extends Error {
  readonly status: number;

  constructor(
    readonly code: ProblemCode,
    readonly detail: string,
    readonly extra: { errors?: Fault[]; retryAfterSeconds?: number; /** What a 401 asks for, as `WWW-Authenticate` has it. */ challenge?: string; cause?: unknown } = {},
  ) {
    super(detail, { cause: extra.cause });
    this.status = PROBLEMS[code][0];
  }

  toBody(instance: string): Record<string, unknown> {
    return {
      type: `/problems/${this.code}`,
      title: PROBLEMS[this.code][1],
      status: this.status,
      detail: this.detail,
      code: this.code,
      instance,
      ...(this.extra.errors && { errors: this.extra.errors }),
    };
  }

  static notFound(what: string): Problem {
    return new Problem('not_found', `There is no such ${what}.`);
  }

  static invalid(...errors: Fault[]): Problem {
    return new Problem('invalid', errors.map((fault) => `${fault.pointer}: ${fault.detail}`).join('; '), { errors });
  }
}

/** Thrown instead of doing a request again whose first answer is kept: the filter sends that. */
export class KeptAnswer extends Error {
  constructor(readonly status: number, readonly text: string) {
    super('answered before');
  }
}
