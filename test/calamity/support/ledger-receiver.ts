import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { eventually } from '../../support/eventually.js';

/** The receiver's own record of a request: what came, when, and what was answered (nothing yet, while absent). */
export interface Receipt {
  path: string;
  webhookId: string;
  deliveryId: string;
  body: Buffer;
  at: number;
  status?: number;
  answer(status: number): void;
}

/** Says what to answer: a status, or nothing to leave the sender waiting (`receipt.answer` can follow later). */
export type Rule = (receipt: Receipt, earlier: Receipt[]) => number | undefined;

export interface LedgerReceiver {
  close(): Promise<void>;
  url: string;
  receipts: Receipt[];
  /** `earlier` holds the requests for the same delivery before this one. */
  rule: Rule;
  /** Waits for `count` requests in all. */
  received(count: number, withinMs?: number): Promise<Receipt[]>;
}

/** A receiver that keeps a ledger of every request before it answers. */
export async function startLedgerReceiver(): Promise<LedgerReceiver> {
  const sockets = new Set<Socket>();
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const receipt = receiptOf(request.url!, request.headers as Record<string, string>, Buffer.concat(chunks), response);
      const earlier = receiver.receipts.filter(({ deliveryId }) => deliveryId === receipt.deliveryId);
      receiver.receipts.push(receipt);
      const status = receiver.rule(receipt, earlier);
      if (status !== undefined) receipt.answer(status);
    });
  });
  server.keepAliveTimeout = 0;
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const receiver: LedgerReceiver = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    receipts: [],
    rule: () => 200,
    received: (count, withinMs = 60_000) => eventually(`${count} requests at the receiver`, () => receiver.receipts.length >= count && receiver.receipts, withinMs),
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((done) => server.close(done));
    },
  };
  return receiver;
}

function receiptOf(path: string, headers: Record<string, string>, body: Buffer, response: ServerResponse): Receipt {
  return {
    path, body, at: Date.now(), webhookId: headers['webhook-id'] ?? '', deliveryId: headers['x-webhook-delivery'] ?? '',
    answer(status) {
      this.status = status;
      response.writeHead(status).end();
    },
  };
}
