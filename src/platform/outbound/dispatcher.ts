import type { SecureContext } from 'node:tls';
import { Agent, buildConnector, type Dispatcher as Undici } from 'undici';
import { AddressGuard } from './guard.js';
import { TlsAgents, type TlsIdentity } from './tls-agents.js';

/** What came back, or why nothing did. Expected failures of the world are values, not errors. */
export type Exchange =
  | { status: number; headers: Record<string, string | string[]>; body: string; durationMs: number }
  | { errorClass: ErrorClass; error: string; durationMs: number; status?: number; headers?: Record<string, string | string[]>; body?: string };

export type ErrorClass = 'dns' | 'connect_refused' | 'connect_timeout' | 'tls' | 'reset' | 'timeout' | 'response_too_large' | 'blocked_address' | 'protocol' | 'local' | 'secret_unreadable' | 'template' | 'token';

export interface DispatcherLimits {
  timeoutMs: number;
  connectTimeoutMs: number;
  /** Connections per origin. */
  connections: number;
}

/** Of an answer, this much is kept; anything after {@link READ_BYTES} is not even read. */
const KEPT_BYTES = 16 * 1024;
const READ_BYTES = 1024 * 1024;

/**
 * Sends POST requests to destinations that users named: guarded at connect, never redirected, bounded in time and size.
 *
 * undici because this is the hot path: 50 µs of CPU per request against 360 µs with got (docs/decisions/0002).
 */
export class Dispatcher {
  private readonly agent: Agent;
  private readonly tlsAgents: TlsAgents;

  constructor(private readonly limits: DispatcherLimits, guard: AddressGuard) {
    this.agent = this.makeAgent(guard);
    this.tlsAgents = new TlsAgents((secureContext) => this.makeAgent(guard, { secureContext }));
  }

  private makeAgent(guard: AddressGuard, tls: { secureContext?: SecureContext } = {}): Agent {
    const { limits } = this;
    const connect = buildConnector({ timeout: limits.connectTimeoutMs, lookup: guard.lookup, ...tls });
    return new Agent({
      connections: limits.connections,
      pipelining: 1,
      // The whole exchange has one deadline (below) instead of undici's per-phase ones.
      headersTimeout: 0,
      bodyTimeout: 0,
      maxResponseSize: -1,
      connect: (options, callback) => {
        try {
          guard.refuseLiteral(options.hostname);
        } catch (error) {
          return callback(error as Error, null);
        }
        connect(options, callback);
      },
    });
  }

  /** One POST. Never rejects for anything the other side does. `tls`: what the connection shows and trusts, where that is not the default. */
  post(url: string, headers: Record<string, string>, body: Buffer, tls?: TlsIdentity): Promise<Exchange> {
    return new Promise((resolve) => {
      const { origin, pathname, search } = new URL(url);
      let own: ReturnType<TlsAgents['of']> | undefined;
      const handler = new ExchangeHandler(this.limits.timeoutMs, tls ? (exchange) => resolve(own?.explain(exchange) ?? exchange) : resolve);
      try {
        if (tls) own = this.tlsAgents.of(tls);
        (own?.agent ?? this.agent).dispatch({ origin, path: pathname + search, method: 'POST', headers, body }, handler);
      } catch (error) {
        handler.onResponseError(undefined, error as Error);
      }
    });
  }

  /** Closes the connections of an identity that is no longer used. */
  forget(tls: TlsIdentity): void {
    this.tlsAgents.forget(tls.id);
  }

  async close(): Promise<void> {
    await Promise.all([this.agent.destroy(), this.tlsAgents.close()]);
  }
}

/** Follows one exchange to its end, its deadline or its size limit, and then says once what came of it. */
class ExchangeHandler implements Undici.DispatchHandler {
  private readonly started = performance.now();
  private readonly timer: NodeJS.Timeout;
  private controller: Undici.DispatchController | undefined;
  private ended = false;
  private answered: { status: number; headers: Record<string, string | string[]> } | undefined;
  private readonly kept: Buffer[] = [];
  private read = 0;

  constructor(private readonly timeoutMs: number, private readonly resolve: (exchange: Exchange) => void) {
    this.timer = setTimeout(() => this.giveUp('timeout', this.answered
      ? `HTTP ${this.answered.status} began to arrive, but its body did not end within ${timeoutMs / 1000} s.`
      : `No answer within ${timeoutMs / 1000} s.`), timeoutMs);
  }

  onRequestStart(controller: Undici.DispatchController): void {
    this.controller = controller;
    // The deadline may have passed while the connection was being made.
    if (this.ended) controller.abort(new Error('too late'));
  }

  onResponseStart(_controller: Undici.DispatchController, status: number, headers: Record<string, string | string[]>): void {
    // 1xx answers come before the one that counts.
    if (status >= 200) this.answered = { status, headers };
  }

  onResponseData(_controller: Undici.DispatchController, chunk: Buffer): void {
    // The chunk is a view of the parser's buffer, which is used again.
    if (this.read < KEPT_BYTES) this.kept.push(Buffer.from(chunk.subarray(0, KEPT_BYTES - this.read)));
    this.read += chunk.length;
    if (this.read > READ_BYTES) this.giveUp('response_too_large', `The answer (HTTP ${this.answered?.status}) is longer than 1 MiB; reading stopped there.`);
  }

  onResponseEnd(): void {
    this.end({ ...this.answered!, body: this.body(), durationMs: this.durationMs() });
  }

  onResponseError(_controller: Undici.DispatchController | undefined, error: Error): void {
    this.fail(explain(error));
  }

  private giveUp(errorClass: ErrorClass, error: string): void {
    this.fail({ errorClass, error });
    this.controller?.abort(new Error(error));
  }

  private fail(failure: { errorClass: ErrorClass; error: string }): void {
    this.end({ ...this.answered, ...(this.answered && { body: this.body() }), ...failure, durationMs: this.durationMs() });
  }

  private end(exchange: Exchange): void {
    if (this.ended) return;
    this.ended = true;
    clearTimeout(this.timer);
    this.resolve(exchange);
  }

  /** What was kept of the answer, as text that Postgres can store. */
  private body(): string {
    return Buffer.concat(this.kept).toString('utf8').replaceAll('\0', '\uFFFD');
  }

  private durationMs(): number {
    return Math.round(performance.now() - this.started);
  }
}

const BY_CODE: Record<string, [ErrorClass, string]> = {
  ENOTFOUND: ['dns', 'The host name does not resolve.'],
  EAI_AGAIN: ['dns', 'The host name could not be resolved right now.'],
  ECONNREFUSED: ['connect_refused', 'The connection was refused: nothing listens there.'],
  EHOSTUNREACH: ['connect_refused', 'The host cannot be reached.'],
  ENETUNREACH: ['connect_refused', 'The network cannot be reached.'],
  UND_ERR_CONNECT_TIMEOUT: ['connect_timeout', 'Connecting took too long.'],
  ETIMEDOUT: ['connect_timeout', 'Connecting took too long.'],
  ECONNRESET: ['reset', 'The connection was reset before the answer was complete.'],
  UND_ERR_HEADERS_OVERFLOW: ['response_too_large', 'The headers of the answer are too large.'],
  HPE_HEADER_OVERFLOW: ['response_too_large', 'The headers of the answer are too large.'],
  EPROTO: ['tls', 'TLS failed: the other side does not speak it, or not in a version that is safe.'],
  EMFILE: ['local', 'This process may not open more connections: raise its limit of open files.'],
  ENFILE: ['local', 'This machine may not open more connections.'],
  EADDRNOTAVAIL: ['local', 'This machine has no port left to connect from, or no address of that kind.'],
  ENOBUFS: ['local', 'This machine is out of network buffers.'],
  EPIPE: ['reset', 'The connection was closed while the request was being sent.'],
  UND_ERR_SOCKET: ['reset', 'The connection was closed before the answer was complete.'],
};

/** What to do about a failure of TLS, by what its code holds. */
const TLS_HINTS: [RegExp, string][] = [
  [/SELF_SIGNED|UNABLE_TO_GET_ISSUER|UNABLE_TO_VERIFY/, "The receiver's certificate comes from an authority that is not trusted; a private one can be set on the webhook."],
  [/^CERT_HAS_EXPIRED/, "The receiver's certificate has expired."],
  [/ALTNAME/, "The receiver's certificate is for another host name."],
  [/ALERT_CERTIFICATE_REQUIRED/, 'The receiver asks for a client certificate.'],
  [/ALERT_UNKNOWN_CA/, 'The receiver does not trust the authority that issued the client certificate.'],
  [/ALERT_CERTIFICATE_EXPIRED/, 'The receiver finds the client certificate expired.'],
  [/ALERT_(BAD_CERTIFICATE|CERTIFICATE_|UNSUPPORTED_CERTIFICATE|ACCESS_DENIED)/, 'The receiver refuses the client certificate.'],
  [/ALERT_HANDSHAKE_FAILURE/, 'The receiver refuses the handshake: it may ask for a client certificate, or for other ciphers.'],
];

/** Sorts a failure of the network, of TLS or of HTTP into its class, with a sentence for the delivery log. */
export function explain(error: unknown): { errorClass: ErrorClass; error: string } {
  // With several addresses to try, Node wraps the failures of each.
  const { code = '', message, syscall } = (error instanceof AggregateError ? (error.errors[0] as Error) : (error as Error)) as Error & { code?: string; syscall?: string };
  const cause = (error as { cause?: unknown }).cause;
  if (code === 'BLOCKED_ADDRESS') return { errorClass: 'blocked_address', error: message };
  if (message.includes('before secure TLS connection')) return { errorClass: 'tls', error: `TLS failed: the receiver broke the handshake off. (${code})` };
  if (code === 'ETIMEDOUT' && syscall !== 'connect') return { errorClass: 'timeout', error: 'The connection went silent. (ETIMEDOUT)' };
  if (code.startsWith('EAI_') && code !== 'EAI_AGAIN') return { errorClass: 'dns', error: `The host name does not resolve. (${code})` };
  const known = BY_CODE[code];
  if (known) return { errorClass: known[0], error: `${known[1]} (${code})` };
  if (/CERT|SSL|TLS|SELF_SIGNED|UNABLE_TO_|ALTNAME/.test(code)) {
    // OpenSSL puts a thread id before and a line number after what it has to say.
    const said = /^[0-9A-F]+:error:[0-9A-F]+:[^:]*:[^:]*:([^:]+)/.exec(message)?.[1] ?? message;
    return { errorClass: 'tls', error: [TLS_HINTS.find(([pattern]) => pattern.test(code))?.[1], `TLS failed: ${said} (${code})`].filter(Boolean).join(' ') };
  }
  if (cause instanceof Error) return explain(cause);
  if (code.startsWith('HPE_')) return { errorClass: 'protocol', error: `The answer was not valid HTTP: ${message} (${code})` };
  return { errorClass: 'protocol', error: `The exchange failed: ${message}${code && ` (${code})`}` };
}
