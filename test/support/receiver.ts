import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { afterAll, beforeAll, beforeEach } from 'vitest';
import { eventually } from './eventually.js';

/** A request as it came in. */
export interface Received {
  path: string;
  headers: IncomingHttpHeaders;
  body: Buffer;
  /** The body, parsed; an empty object where it is no JSON. */
  event: { event_id: string; event_type: string; timestamp: string; data: Record<string, unknown>; metadata: Record<string, unknown> };
  at: number;
}

/** How to answer a request: a status, an answer, or code that does as it likes with the response (or never answers). */
export type Answer = number | { status: number; headers?: Record<string, string>; body?: string } | ((response: ServerResponse, socket: Socket) => void);

/** A real HTTP server on loopback that remembers what it got. */
export interface Receiver {
  url: string;
  requests: Received[];
  /** TCP connections since the test began, whether or not a request came over them. */
  connections: number;
  /** Answers by the request and how many came to the same path before it. Reset before each test to 200. */
  answer: (request: Received, earlier: number) => Answer;
  /** Waits until `count` requests (to `path`, when given) are there, and answers them. */
  received(count: number, path?: string): Promise<Received[]>;
}

export function useReceiver(): Receiver {
  const receiver = { requests: [] as Received[], connections: 0 } as Receiver;
  const sockets = new Set<Socket>();
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks);
      const received = { path: request.url!, headers: request.headers, body, event: parsed(body), at: Date.now() };
      const earlier = receiver.requests.filter(({ path }) => path === received.path).length;
      receiver.requests.push(received);
      const answer = receiver.answer(received, earlier);
      if (typeof answer === 'function') return answer(response, request.socket);
      const { status, headers = {}, body: text = '' } = typeof answer === 'number' ? { status: answer } : answer;
      response.writeHead(status, headers).end(text);
    });
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    receiver.connections++;
    socket.on('close', () => sockets.delete(socket));
  });
  receiver.received = (count, path) => {
    const matching = () => receiver.requests.filter((request) => !path || request.path === path);
    return eventually(`${count} requests${path ? ` to ${path}` : ''}`, () => (matching().length >= count ? matching() : undefined));
  };
  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    receiver.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  beforeEach(() => {
    receiver.requests.length = 0;
    receiver.connections = 0;
    receiver.answer = () => 200;
  });
  afterAll(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return receiver;
}

function parsed(body: Buffer): Received['event'] {
  try {
    return JSON.parse(body.toString());
  } catch {
    return {} as Received['event'];
  }
}
