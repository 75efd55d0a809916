import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Log } from '../observe/log.js';
import { KeptAnswer, Problem, type ProblemCode } from './problem.js';

const BY_STATUS: Record<number, ProblemCode> = {
  400: 'unreadable_request', 401: 'unauthenticated', 403: 'forbidden', 404: 'not_found', 408: 'request_timeout',
  // A path parameter longer than any id names nothing.
  414: 'not_found',
   413: 'body_too_large', 415: 'unsupported_media_type', 422: 'invalid', 431: 'headers_too_large', 503: 'unavailable',
};

/** Renders whatever was thrown as problem+json. What is neither a Problem nor an HTTP error is a bug, or a lost database. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(private readonly log: Log) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    if (error instanceof KeptAnswer) {
      void http.getResponse<FastifyReply>().status(error.status).type('application/json').header('idempotent-replayed', 'true').send(error.text);
      return;
    }
    sendProblem(http.getRequest<FastifyRequest>(), http.getResponse<FastifyReply>(), asProblem(error), this.log);
  }
}

/** Turns any thrown value into a Problem. */
export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (isDatabaseAway(error)) {
    return new Problem('unavailable', 'The database cannot be reached. Whether the request was carried out is not known.', { retryAfterSeconds: 1, cause: error });
  }
  if (isTimedOut(error)) {
    return new Problem('unavailable', 'The database gave up on this because it took too long. Narrow a list with `from` and `to` or another filter, or try again later.', { retryAfterSeconds: 5, cause: error });
  }
  const status = error instanceof HttpException ? error.getStatus() : Number((error as { statusCode?: unknown })?.statusCode ?? 500);
  const code = BY_STATUS[status] ?? (status >= 400 && status < 500 ? 'unreadable_request' : undefined);
  return code
    ? new Problem(code, code === 'unsupported_media_type' ? 'Send the body as JSON, with the header Content-Type: application/json.' : (error as Error).message)
    : new Problem('internal', 'An unexpected error occurred. It has been logged under the request id.', { cause: error });
}

/** Writes the answer and, for a bug, one log line with the cause. */
export function sendProblem(request: FastifyRequest, reply: FastifyReply, problem: Problem, log: Log): void {
  // An overload must not be made worse by a log line for each that it turns away.
  if (problem.status >= 500 && problem.code !== 'overloaded') {
    log.error({ request_id: request.id, code: problem.code, err: problem.extra.cause ?? problem }, 'request failed');
  }
  if (problem.extra.retryAfterSeconds !== undefined) void reply.header('retry-after', problem.extra.retryAfterSeconds);
  if (problem.extra.challenge !== undefined) void reply.header('www-authenticate', problem.extra.challenge);
  const path = request.url.split('?', 1)[0]!;
  void reply.status(problem.status).type('application/problem+json').send(JSON.stringify({ ...problem.toBody(path), ...(problem.status >= 500 && { request_id: request.id }) }));
}

// Prisma P1001/P1002/P1008/P1017/P2024/P2028: cannot reach, timed out, closed connection, no free connection, no transaction.
// SQLSTATE 57P01..57P03: shutting down or starting up; class 08: connection exceptions; 53300: too many connections.
// ENOTFOUND and its like: the name does not resolve while a container is stopped, or no way leads to the host. 25006: only a standby is left.
// The four words are kinds of Prisma's driver adapter, which hide the socket's own code; "not queryable" says a connection that broke before.
const AWAY = /\b(P1001|P1002|P1008|P1017|P2024|P2028|ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|25006|57P0[123]|08\d{3}|53300|DatabaseNotReachable|ConnectionClosed|SocketTimeout|TooManyConnections)\b|Connection terminated|connection timeout|timeout exceeded when trying to connect|Can't reach database|the database system is (starting up|shutting down|in recovery)|is not currently accepting connections|Server has closed the connection|is not queryable/i;

/** Whether the error says that Postgres is away, as opposed to that a statement was wrong. */
export function isDatabaseAway(error: unknown): boolean {
  for (let at: unknown = error, depth = 0; at instanceof Object && depth < 5; depth++) {
    const { code, message, cause, meta } = at as { code?: unknown; message?: unknown; cause?: unknown; meta?: unknown };
    if (AWAY.test(`${String(code ?? '')} ${String(message ?? '')}`)) return true;
    if (meta instanceof Object && AWAY.test(JSON.stringify(meta))) return true;
    at = cause ?? (at as { driverAdapterError?: unknown }).driverAdapterError;
  }
  return false;
}

/**
 * Whether the error may be gone by itself some time: Postgres is away, has no room, memory or connection left, has it
 * deadlocked, waited too long, does not let us in, or has no partition yet for a day. A wrong statement or value never is.
 */
export function isPassing(error: unknown): boolean {
  return isDatabaseAway(error) || lacksPartition(error) || /^(28|3D|40|53|55|57|58)/.test(String((error as { code?: unknown } | undefined)?.code));
}

/** Whether Postgres cancelled the statement, as it does at its time limit, or it gave up waiting for a lock. */
function isTimedOut(error: unknown): boolean {
  return hasCode(error, '57014') || isLockTimeout(error);
}

/** Whether somebody else held what the statement wanted for too long. */
export function isLockTimeout(error: unknown): boolean {
  return hasCode(error, '55P03');
}

/** Whether an error is of this SQLSTATE, which Prisma keeps at different depths. */
function hasCode(error: unknown, sqlState: string): boolean {
  for (let at: unknown = error, depth = 0; at instanceof Object && depth < 5; depth++) {
    const { code, originalCode, meta, cause } = at as { code?: unknown; originalCode?: unknown; meta?: { driverAdapterError?: unknown }; cause?: unknown };
    if (code === sqlState || originalCode === sqlState) return true;
    at = meta?.driverAdapterError ?? cause;
  }
  return false;
}

/** Whether Postgres understood the statement and refused a value in it (SQLSTATE class 22) or what it would lead to (23). */
export function isRefusedData(error: unknown): boolean {
  return /^2[23]\w{3}$/.test(String((error as { code?: unknown } | undefined)?.code)) && !lacksPartition(error);
}

/** Postgres says so by the code of a broken rule, but the row is good: its day is made when somebody begins an outage for it, else within the hour. */
export function lacksPartition(error: unknown): boolean {
  const { code, routine } = (error ?? {}) as { code?: unknown; routine?: unknown };
  return code === '23514' && routine === 'ExecFindPartition';
}
