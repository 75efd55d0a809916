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
export interface PostgresProxy {
  close(): Promise<void>;
  /** The same database, through the proxy. */
  readonly url: string;
  /** Resolves when the next statement that fits has been stopped. One trap catches once. */
  catch(trap: Trap): Promise<Caught>;
  /** From now on nothing passes in either direction, and new connections are taken and not answered. Ends with every connection that was there broken. */
  silence(): { end(): void };
  /** From now on new connections are refused, and those there are broken. */
  refuse(): { end(): void };
}

const CATCH_WITHIN_MS = 60_000;

interface Armed extends Trap {
  sprung(caught: Caught): void;
}

export async function startPostgresProxy(databaseUrl: () => string): Promise<PostgresProxy> {
  const traps = new Set<Armed>();
  const sockets = new Set<Socket>();
  let silent = false;
  let refusing = false;
  const server = createServer((client) => {
    if (refusing) return void client.resetAndDestroy();
    const { hostname, port } = new URL(databaseUrl());
    const postgres = connect(Number(port), hostname);
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
    if (silent) for (const socket of [client, postgres]) socket.pause();
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return {
    get url() {
      const url = new URL(databaseUrl());
      url.port = String((server.address() as AddressInfo).port);
      return url.href;
    },
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
    silence() {
      silent = true;
      for (const socket of sockets) socket.pause();
      return {
        end() {
          silent = false;
          for (const socket of sockets) socket.destroy();
        },
      };
    },
    refuse() {
      refusing = true;
      for (const socket of sockets) socket.destroy();
      return { end: () => void (refusing = false) };
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((done) => server.close(done));
    },
  };
}

const code = (letter: string): number => letter.charCodeAt(0);
const [QUERY, PARSE, BIND, DATA_ROW, READY_FOR_QUERY, OUTSIDE_TRANSACTION] = ['Q', 'P', 'B', 'D', 'Z', 'I'].map(code) as [number, number, number, number, number, number];

/** Cuts a stream into frames: one letter, then the length of all that follows. A client's very first frame has no letter. */
function framer(onFrame: (frame: Buffer) => void, bareFirst = false): (chunk: Buffer) => void {
  let unread: Buffer = Buffer.alloc(0);
  let letter = bareFirst ? 0 : 1;
  return (chunk) => {
    unread = unread.length > 0 ? Buffer.concat([unread, chunk]) : chunk;
    let at = 0;
    while (unread.length - at >= letter + 4) {
      const end = at + letter + unread.readUInt32BE(at + letter);
      if (unread.length < end) break;
      onFrame(unread.subarray(at, end));
      letter = 1;
      at = end;
    }
    unread = unread.subarray(at);
  };
}

function join(client: Socket, postgres: Socket, traps: Set<Armed>): void {
  const prepared = new Map<string, string>();
  // What was asked since the last ReadyForQuery, and since the last one outside a transaction.
  let asked = '';
  let before = '';
  let rows = 0;
  // While set, frames in that direction gather instead of passing.
  let heldRequest: Buffer[] | undefined;
  let heldReply: Buffer[] | undefined;
  let watching: Armed | undefined;

  client.on('data', framer((frame) => {
    if (heldRequest) return void heldRequest.push(frame);
    asked += textOf(frame, prepared);
    const trap = watching ?? [...traps].find(({ statement, transaction }) => asked.includes(statement) && (!transaction || before.includes(transaction)));
    if (trap?.at === 'request') {
      heldRequest = [frame];
      return spring(trap);
    }
    if (trap && !watching) {
      watching = trap;
      heldReply = [];
    }
    postgres.write(frame);
  }, true));

  postgres.on('data', framer((frame) => {
    if (heldReply) heldReply.push(frame);
    else client.write(frame);
    if (frame[0] === DATA_ROW) rows++;
    if (frame[0] === READY_FOR_QUERY) replied(frame[5]!);
  }));

  function replied(state: number): void {
    before = state === OUTSIDE_TRANSACTION ? '' : before + asked;
    asked = '';
    const trap = watching;
    watching = undefined;
    if (trap && traps.has(trap) && (rows > 0 || !trap.withRows)) spring(trap);
    else if (trap) letReplyPass();
    rows = 0;
  }

  function letReplyPass(): void {
    for (const frame of heldReply ?? []) client.write(frame);
    heldReply = undefined;
  }

  function spring(trap: Armed): void {
    traps.delete(trap);
    trap.sprung({
      release() {
        for (const frame of heldRequest ?? []) postgres.write(frame);
        heldRequest = undefined;
        letReplyPass();
      },
      cut() {
        client.resetAndDestroy();
        postgres.destroy();
      },
    });
  }
}

/** The SQL that a frame from the client sends, or refers to by the name it was prepared under. */
function textOf(frame: Buffer, prepared: Map<string, string>): string {
  const strings = (): string[] => frame.toString('latin1', 5).split('\0', 2);
  if (frame[0] === QUERY) return strings()[0]!;
  if (frame[0] === BIND) return prepared.get(strings()[1]!) ?? '';
  if (frame[0] !== PARSE) return '';
  const [name, text] = strings() as [string, string];
  prepared.set(name, text);
  return text;
}
