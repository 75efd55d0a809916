import type { Client, Connection } from 'pg';
import { HEARD } from './heard-client.js';
import { type SessionSettings, withSettings } from './session.js';

/** Some rows as COPY sent them, one after the other; `ends` has where each ends. Only valid until the next block is asked for. */
export interface RowBlock {
  bytes: Buffer;
  ends: number[];
}

/** To be read once. */
export interface RowStream extends AsyncIterable<RowBlock> {
  /** Nothing more is wanted. Before the end, that ends the connection. */
  stop(): void;
}

const BLOCK_BYTES = 256 * 1024;
/** Full blocks that may wait for whoever reads them; then Postgres has to wait. */
const BLOCKS_AHEAD = 4;

const SETTINGS: SessionSettings = {
  firm: {
    timezone: 'UTC', datestyle: 'ISO', intervalstyle: 'iso_8601', bytea_output: 'hex', extra_float_digits: 1, client_encoding: 'UTF8',
    statement_timeout: 7_200_000, idle_in_transaction_session_timeout: 600_000, max_parallel_workers_per_gather: 0, jit: 'off',
  },
  limits: { lock_timeout: 10_000 },
};

/**
 * One connection with one read-only transaction on one snapshot, for what is read in bulk: however long it takes, all of it
 * shows the same moment. It speaks UTC, ISO dates and floats to their last bit, and takes one backend, so that reading in bulk
 * leaves the other cores to those who wait for an answer.
 *
 * A statement may take two hours, for a slow store holds Postgres back, and between two it may idle for ten minutes: an old
 * transaction is what bloats every table. After an error of Postgres the transaction is over and only `close` is left.
 */
export class Snapshot {
  private constructor(private readonly client: Client, readonly takenAt: Date) {}

  static async open(databaseUrl: string): Promise<Snapshot> {
    const client = new HEARD.Client({
      connectionString: withSettings(databaseUrl, SETTINGS),
      application_name: 'lakehook-export',
      connectionTimeoutMillis: 10_000,
      keepAlive: true,
    });
    await client.connect();
    try {
      await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
      // The first statement takes the snapshot.
      const { rows } = await client.query<{ ms: string }>('SELECT (extract(epoch FROM statement_timestamp()) * 1000)::bigint AS ms');
      return new Snapshot(client, new Date(Number(rows[0]!.ms)));
    } catch (error) {
      client.connection.stream.destroy();
      throw error;
    }
  }

  /** Values as Postgres prints them. */
  async rows(sql: string): Promise<Record<string, string | null>[]> {
    const { rows } = await this.client.query({ text: sql, types: { getTypeParser: () => (value: string) => value } as never });
    return rows as Record<string, string | null>[];
  }

  /** The rows of a SELECT, in its order. */
  copy(select: string, format: 'text' | 'csv' | 'binary'): RowStream {
    return this.client.query(new CopyOut(`COPY (${select}\n) TO STDOUT (FORMAT ${format})`));
  }

  /** Ends the connection wherever it stands; what waits for it is rejected. */
  cut(): void {
    this.client.connection.stream.destroy();
  }

  async close(): Promise<void> {
    await this.client.end();
  }
}

/**
 * A COPY as the driver runs it. Each message of Postgres's is one row (the protocol says so), handed over in a buffer that the
 * driver uses again: rows are gathered in blocks of our own, which are filled anew when they have been read.
 */
class CopyOut implements RowStream {
  private connection: Connection;
  private filling: RowBlock = { bytes: Buffer.allocUnsafeSlow(BLOCK_BYTES), ends: [] };
  private readonly full: RowBlock[] = [];
  private readonly free: RowBlock[] = [];
  private state: 'running' | 'done' | { error: Error } = 'running';
  private wake = (): void => {};

  constructor(private readonly sql: string) {}

  submit(connection: Connection): void {
    this.connection = connection;
    connection.query(this.sql);
  }

  handleCopyData({ chunk }: { chunk: Buffer }): void {
    let at = this.filling.ends.at(-1) ?? 0;
    if (at + chunk.length > this.filling.bytes.length) {
      if (at > 0) this.hand(this.filling);
      this.filling = this.free.pop() ?? { bytes: Buffer.allocUnsafeSlow(BLOCK_BYTES), ends: [] };
      if (chunk.length > this.filling.bytes.length) this.filling = { bytes: Buffer.allocUnsafeSlow(chunk.length), ends: [] };
      at = 0;
    }
    this.filling.bytes.set(chunk, at);
    this.filling.ends.push(at + chunk.length);
  }

  handleReadyForQuery(): void {
    if (this.state === 'running') this.end('done');
  }

  handleError(error: Error): void {
    if (this.state === 'running') this.end({ error });
  }

  handleCommandComplete(): void {}

  async *[Symbol.asyncIterator](): AsyncGenerator<RowBlock> {
    for (;;) {
      const block = this.full.shift();
      if (block) {
        if (this.full.length === BLOCKS_AHEAD - 1) this.connection.stream.resume();
        yield block;
        block.ends.length = 0;
        if (block.bytes.length === BLOCK_BYTES) this.free.push(block);
      } else if (this.state === 'running') await new Promise<void>((wake) => (this.wake = wake));
      else if (this.state === 'done') return;
      else throw this.state.error;
    }
  }

  stop(): void {
    if (this.state === 'running') this.connection.stream.destroy();
  }

  private hand(block: RowBlock): void {
    this.full.push(block);
    if (this.full.length === BLOCKS_AHEAD) this.connection.stream.pause();
    this.wake();
  }

  private end(state: 'done' | { error: Error }): void {
    this.state = state;
    if (this.filling.ends.length > 0) this.hand(this.filling);
    this.wake();
  }
}
