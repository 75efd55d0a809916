import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** Where to stop the traffic of one connection: at a statement, before Postgres gets it or after Postgres has answered it. */
export interface Trap {
  /** Stands in the text of the statement. */
  statement: string;
  /** Stands in the text of an earlier statement of the same transaction. */
  transaction?: string;
  /** `request`: Postgres never sees the statement. `reply`: Postgres has carried it out, and the client does not hear of it. */
  at: 'request' | 'reply';
  /** Only a reply with rows in it. */
  withRows?: boolean;
}

/** A connection that stands still. */
export interface Caught {
  /** Lets everything through that was held back. */
  release(): void;
  /** Breaks the connection to both sides. */
  cut(): void;
}

/**
 * Stands between a server and its Postgres and can stop a connection at an exact statement, so that a crash can be put
 * between a commit and its answer without any code in the product. It knows as much of the protocol as that takes: the
 * text of statements passes by in the clear, and every reply is a row of frames that ends with ReadyForQuery.
 */
export interface PostgresProxy extends AsyncDisposable {
  /** The same database, through the proxy. */
  url: string;
  /** Resolves when the next statement that fits has been stopped. One trap catches once. */
  catch(trap: Trap): Promise<Caught>;
}

const CATCH_WITHIN_MS = 20_000;

interface Armed extends Trap {
  sprung(caught: Caught): void;
}

export async function startPostgresProxy(databaseUrl: string): Promise<PostgresProxy> {
  const target = new URL(databaseUrl);
  const traps = new Set<Armed>();
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const postgres = connect(Number(target.port), target.hostname);
    for (const [socket, other] of [[client, postgres], [postgres, client]] as const) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
    join(client, postgres, traps);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const url = new URL(databaseUrl);
  url.port = String((server.address() as AddressInfo).port);
  return {
    url: url.href,
    catch(trap) {
      const caught = new Promise<Caught>((sprung, fail) => {
        const late = setTimeout(() => fail(new Error(`Nobody sent "${trap.statement}" within ${CATCH_WITHIN_MS / 1000} s`)), CATCH_WITHIN_MS);
        traps.add({ ...trap, sprung(connection) {
            clearTimeout(late);
            sprung(connection);
          } });
      });
      // Whoever waits hears of it; a test that has failed before does not wait any more.
      caught.catch(() => {});
      return caught;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((done) => server.close(done));
    },
  };
}

const READY_FOR_QUERY = 'Z'.charCodeAt(0);
const DATA_ROW = 'D'.charCodeAt(0);
const OUTSIDE_TRANSACTION = 'I'.charCodeAt(0);

function join(client: Socket, postgres: Socket, traps: Set<Armed>): void {
  // What was asked since the last ReadyForQuery, and since the last one outside a transaction.
  let asked = '';
  let before = '';
  let unread: Buffer = Buffer.alloc(0);
  let rows = 0;
  // While set, bytes in that direction gather instead of passing.
  let heldRequest: Buffer[] | undefined;
  let heldReply: Buffer[] | undefined;
  let watching: Armed | undefined;

  const spring = (trap: Armed): void => {
    traps.delete(trap);
    trap.sprung({
      release() {
        for (const chunk of heldRequest?.splice(0) ?? []) postgres.write(chunk);
        for (const chunk of heldReply?.splice(0) ?? []) client.write(chunk);
        heldRequest = heldReply = undefined;
      },
      cut() {
        client.resetAndDestroy();
        postgres.destroy();
      },
    });
  };

  client.on('data', (chunk) => {
    if (heldRequest) return void heldRequest.push(chunk);
    asked += chunk.toString('latin1');
    const trap = watching ?? [...traps].find(({ statement, transaction }) => asked.includes(statement) && (!transaction || before.includes(transaction)));
    if (trap?.at === 'request') {
      heldRequest = [chunk];
      return spring(trap);
    }
    if (trap && !watching) {
      watching = trap;
      heldReply = [];
    }
    postgres.write(chunk);
  });

  postgres.on('data', (chunk) => {
    unread = unread.length > 0 ? Buffer.concat([unread, chunk]) : chunk;
    let at = 0;
    while (unread.length - at >= 5) {
      const end = at + 1 + unread.readUInt32BE(at + 1);
      if (unread.length < end) break;
      const frame = unread.subarray(at, end);
      if (heldReply) heldReply.push(frame);
      else client.write(frame);
      if (frame[0] === DATA_ROW) rows++;
      if (frame[0] === READY_FOR_QUERY) replied(frame[5]!);
      at = end;
    }
    unread = unread.subarray(at);
  });

  function replied(state: number): void {
    before = state === OUTSIDE_TRANSACTION ? '' : before + asked;
    asked = '';
    if (watching) {
      const trap = watching;
      watching = undefined;
      if (traps.has(trap) && (rows > 0 || !trap.withRows)) spring(trap);
      else {
        for (const frame of heldReply!) client.write(frame);
        heldReply = undefined;
      }
    }
    rows = 0;
  }
}
