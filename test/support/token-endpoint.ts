import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach } from 'vitest';

export interface TokenRequest {
  path: string;
  headers: IncomingHttpHeaders;
  form: Record<string, string>;
}

/** A real OAuth 2.0 token endpoint on loopback that hands out `token-1`, `token-2` and so on. */
export interface TokenEndpoint {
  url: string;
  requests: TokenRequest[];
  /** What it has handed out to requests of this path, in order. */
  tokens(path: string): string[];
  /** Answers a request; how many came to the same path before it is `earlier`. Reset before each test. */
  answer: (request: TokenRequest, earlier: number) => object | ((response: ServerResponse) => void);
}

export function useTokenEndpoint(): TokenEndpoint {
  const endpoint = { requests: [] as TokenRequest[] } as TokenEndpoint;
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += chunk));
    request.on('end', () => {
      const received = { path: request.url!, headers: request.headers, form: Object.fromEntries(new URLSearchParams(body)) };
      const earlier = endpoint.requests.filter(({ path }) => path === received.path).length;
      endpoint.requests.push(received);
      const answer = endpoint.answer(received, earlier);
      if (typeof answer === 'function') return answer(response);
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
    });
  });
  endpoint.tokens = (path) => endpoint.requests.filter((request) => request.path === path).map((_, index) => `token-${index + 1}`);
  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    endpoint.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  beforeEach(() => {
    endpoint.requests.length = 0;
    endpoint.answer = (_, earlier) => ({ access_token: `token-${earlier + 1}`, token_type: 'Bearer', expires_in: 3_600 });
  });
  afterAll(() => {
    server.close();
    server.closeAllConnections();
  });
  return endpoint;
}

/** A refusal as in RFC 6749 section 5.2. */
export const refusal = (status: number, body: object | string, type = 'application/json') => (response: ServerResponse): void =>
  void response.writeHead(status, { 'content-type': type }).end(typeof body === 'string' ? body : JSON.stringify(body));
