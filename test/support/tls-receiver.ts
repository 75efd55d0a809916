import type { IncomingHttpHeaders } from 'node:http';
import { createServer, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { afterAll } from 'vitest';

export interface TlsReceiver {
  /** On `localhost`. */
  url: string;
  /** Of each request: its path, the name in the client certificate that came with the connection, and which connection that was. */
  requests: { path: string; client: string | undefined; connection: number; headers: IncomingHttpHeaders }[];
  /** Connections that are open. */
  open(): number;
}

/** A real HTTPS server on loopback that answers 200 and remembers who called. Call inside a test or a hook. */
export async function givenTlsReceiver(options: ServerOptions): Promise<TlsReceiver> {
  const connections: TLSSocket[] = [];
  const receiver: TlsReceiver = { url: '', requests: [], open: () => connections.filter(({ destroyed }) => !destroyed).length };
  const server = createServer(options, (request, response) => {
    const socket = request.socket as TLSSocket;
    receiver.requests.push({ path: request.url!, client: socket.getPeerCertificate().subject?.CN as string | undefined, connection: connections.indexOf(socket), headers: request.headers });
    request.resume().on('end', () => response.end('ok'));
  });
  // Long enough to see who closes a connection first.
  server.keepAliveTimeout = 60_000;
  server.on('secureConnection', (socket) => void connections.push(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  receiver.url = `https://localhost:${(server.address() as AddressInfo).port}`;
  servers.push(() => {
    server.close();
    server.closeAllConnections();
  });
  return receiver;
}

const servers: (() => void)[] = [];

/** Ends the TLS receivers of a test file with it. */
export function useTlsReceivers(): void {
  afterAll(() => servers.splice(0).forEach((close) => close()));
}
