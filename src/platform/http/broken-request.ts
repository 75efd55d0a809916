import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Problem } from '../errors/problem.js';

const PROBLEM_OF: Record<string, Problem> = {
  HPE_HEADER_OVERFLOW: new Problem('headers_too_large', 'The headers are longer than 16 KiB.'),
  HPE_CHUNK_EXTENSIONS_OVERFLOW: new Problem('body_too_large', 'The extensions of the chunks are too large.'),
  ERR_HTTP_REQUEST_TIMEOUT: new Problem('request_timeout', 'The request did not arrive in time.'),
};

/** Answers what Node's parser refuses before there is a request, or while its body arrives, and closes the connection: where the next request would begin is not known. */
export function answerBrokenRequest(error: Error & { code?: string }, socket: Socket): void {
  // Node's own default looks there, too.
  const { _httpMessage: answering } = socket as { _httpMessage?: ServerResponse };
  // The request before was whole: it gets the answer that is its own first.
  if (answering?.req.complete && !answering.writableFinished) answering.once('finish', () => refuse(error.code, socket));
  else if (answering?.headersSent) socket.destroy();
  else refuse(error.code, socket);
}

function refuse(code: string | undefined, socket: Socket): void {
  if (!socket.writable) return void socket.destroy();
  const problem = PROBLEM_OF[code ?? ''] ?? new Problem('unreadable_request', 'This is not HTTP as it should be.');
  const body = JSON.stringify(problem.toBody('/'));
  socket.end(`HTTP/1.1 ${problem.status} Refused\r\ncontent-type: application/problem+json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`, () => socket.destroy());
}
