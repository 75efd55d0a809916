import { Pool, type PoolClient } from 'pg';
import { HEARD } from './heard-client.js';
import { type SessionSettings, withSettings } from './session.js';

/** A place to run SQL text with `$1` parameters: the hot lane, or a transaction on it. */
export interface Lane {
  executeSql<Row = unknown>(text: string, values?: unknown[]): Promise<{ rows: Row[] }>;
  /** Has `done` called once this transaction is known to have committed. Absent where that is not known. */
  afterCommit?(done: () => void): void;
}

/** Begins a transaction whose commit does not wait for the disk. */
const BEGIN_ASYNC_COMMIT = 'BEGIN; SET LOCAL synchronous_commit = off';
/** Begins, and says under which number Postgres remembers what becomes of it. */
const BEGIN_KNOWN = 'BEGIN; SELECT pg_current_xact_id()::text AS xid';

const SETTINGS: SessionSettings = {
  firm: { timezone: 'UTC', plan_cache_mode: 'force_generic_plan', enable_seqscan: 'off', enable_hashjoin: 'off', enable_mergejoin: 'off', jit: 'off' },
  limits: { statement_timeout: 30_000, lock_timeout: 10_000, idle_in_transaction_session_timeout: 30_000 },
};

/** Thrown when the answer to a COMMIT never came: whether the transaction took place, Postgres knows under `xid`. */
export class LostCommit extends Error {
  constructor(readonly xid: string, cause: unknown) {
    super('the answer to a commit was lost', { cause });
  }
}

/** Beyond the statement timeout: then it is not Postgres that takes long, but nobody is there, and TCP would wait for minutes. */
const SILENT_MS = 35_000;

/**
 * The hot lane: connections of the bare driver for the few statements that run hundreds of times a second (append, fan-out,
 * claim, settle). Against Prisma's raw queries this halves the process's and a third of Postgres's time per event
 * (docs/decisions/0002).
 *
 * Statements are prepared once per connection and keep one generic plan, so planning costs nothing. That plan must not hang
 * on what the statistics said when it was made: a queue is empty now and a million rows deep tomorrow. All these statements
 * are shaped for nested loops over indexes, and the planner is told to look for nothing else.
 */
export class HotLane implements Lane {
  private readonly pool: Pool;
  private readonly names = new Map<string, string>();

  constructor(url: string, size: number) {
    this.pool = new Pool({
      ...HEARD,
      connectionString: withSettings(url, SETTINGS),
      max: size,
      application_name: 'lakehook-hot',
      connectionTimeoutMillis: 5_000,
      keepAlive: true,
      query_timeout: SILENT_MS,
      // Statements go out without waiting for the answer to the one before: BEGIN costs no round trip.
      pipeline: true,
    });
    // A connection that breaks tells the statement that uses it, and is replaced by the next one.
    this.pool.on('error', () => {});
  }

  async executeSql<Row>(text: string, values: unknown[] = []): Promise<{ rows: Row[] }> {
    const client = await this.pool.connect();
    try {
      const { rows } = await client.query({ name: this.nameOf(text), text, values });
      client.release();
      return { rows: rows as Row[] };
    } catch (error) {
      // A connection that failed may be in any state, and a prepared statement may be stale: a fresh one costs a millisecond.
      client.release(error as Error);
      throw error;
    }
  }

  /**
   * Runs `work` in one transaction: it commits when the promise resolves and rolls back when it rejects. Statements that do not
   * depend on each other may be sent at the same time (`Promise.all`); they run in the order they were sent.
   */
  transaction<T>(work: (lane: Lane) => Promise<T>): Promise<T> {
    return this.begun('BEGIN', work);
  }

  /**
   * The same with asynchronous commit, which does not wait for the disk: should Postgres crash within the next half second, the transaction may not have happened. For
   * work that is done again then, and that nobody outside hears of before another transaction is on the disk, and with it this one.
   */
  withAsyncCommit<T>(work: (lane: Lane) => Promise<T>): Promise<T> {
    return this.begun(BEGIN_ASYNC_COMMIT, work);
  }

  private async begun<T>(begin: string, work: (lane: Lane) => Promise<T>): Promise<T> {
    const client = await this.pool.connect();
    try {
      const { lane, committed } = this.on(client);
      const [, result] = await together(client, () => [client.query(begin), work(lane)]);
      await client.query('COMMIT');
      client.release();
      committed();
      return result;
    } catch (error) {
      // Closing the connection rolls back.
      client.release(error as Error);
      throw error;
    }
  }

  /**
   * The same, and an abort ends it wherever it stands: waiting for a connection, for a statement or for the commit. Any error
   * but {@link LostCommit} means that nothing was stored.
   */
  async abortable<T>(signal: AbortSignal, work: (lane: Lane) => Promise<T>): Promise<T> {
    const client = await this.connect(signal);
    const cut = (): void => void client.connection.stream.destroy(signal.reason as Error);
    signal.addEventListener('abort', cut, { once: true });
    let commit: string | undefined;
    try {
      const { lane, committed } = this.on(client);
      const [begun, result] = await together(client, () => [client.query(BEGIN_KNOWN) as unknown as Promise<[unknown, { rows: [{ xid: string }] }]>, work(lane)]);
      signal.throwIfAborted();
      commit = begun[1].rows[0].xid;
      await client.query('COMMIT');
      client.release();
      committed();
      return result;
    } catch (error) {
      client.release(error as Error);
      // An error in answer to the COMMIT itself says that it failed; whatever ends the session says nothing.
      throw commit === undefined || (error as { severity?: string }).severity === 'ERROR' ? error : new LostCommit(commit, error);
    } finally {
      signal.removeEventListener('abort', cut);
    }
  }

  /** A connection that comes after the abort goes back where it came from. */
  private connect(signal: AbortSignal): Promise<PoolClient> {
    return new Promise((resolve, reject) => {
      const giveUp = (): void => reject(signal.reason as Error);
      if (signal.aborted) return giveUp();
      signal.addEventListener('abort', giveUp, { once: true });
      this.pool.connect().then((client) => (signal.aborted ? client.release() : resolve(client)), reject).finally(() => signal.removeEventListener('abort', giveUp));
    });
  }

  async close(): Promise<void> {
    await this.pool.end();
  }

  private on(client: PoolClient): { lane: Lane; committed: () => void } {
    const waiting: (() => void)[] = [];
    const lane = {
      executeSql: async <Row>(text: string, values: unknown[] = []) => {
        const { rows } = await client.query({ name: this.nameOf(text), text, values });
        return { rows: rows as Row[] };
      },
      afterCommit: (done: () => void) => void waiting.push(done),
    };
    return { lane, committed: () => waiting.forEach((done) => done()) };
  }

  private nameOf(text: string): string {
    let name = this.names.get(text);
    if (!name) this.names.set(text, (name = `s${this.names.size}`));
    return name;
  }
}

/** Has what is sent in this turn leave in one piece: each write to a socket costs as much as an event. */
async function together<A, B>({ connection: { stream } }: PoolClient, send: () => [Promise<A>, Promise<B>]): Promise<[A, B]> {
  stream.cork();
  setImmediate(() => stream.uncork());
  return Promise.all(send());
}
