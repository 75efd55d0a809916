import { Pool, type PoolClient } from 'pg';
import type { Tx } from './database.js';

/** A place to run SQL text with `$1` parameters: the hot lane, a transaction on it, or Prisma's transaction through {@link laneOf}. */
export interface Lane {
  executeSql<Row = unknown>(text: string, values?: unknown[]): Promise<{ rows: Row[] }>;
}

/** Prisma's transaction (or pool) as a lane, for code that serves both. Arrays and JSON text pass as they are. */
export function laneOf(tx: Tx): Lane {
  return {
    async executeSql<Row>(text: string, values: unknown[] = []) {
      return { rows: await tx.$queryRawUnsafe<Row[]>(text, ...values) };
    },
  };
}

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
      connectionString: url,
      max: size,
      application_name: 'lakehook-hot',
      connectionTimeoutMillis: 5_000,
      keepAlive: true,
      options: [
        'timezone=UTC', 'statement_timeout=30000', 'lock_timeout=10000', 'idle_in_transaction_session_timeout=30000',
        'plan_cache_mode=force_generic_plan', 'enable_seqscan=off', 'enable_hashjoin=off', 'enable_mergejoin=off', 'jit=off',
      ].map((setting) => `-c ${setting}`).join(' '),
    });
    // A connection that breaks tells the statement that uses it, and is replaced by the next one. Without listeners the same
    // news would end the process: the pool hears it for idle connections, the client between two statements of a transaction.
    this.pool.on('error', () => {});
    this.pool.on('connect', (client) => client.on('error', () => {}));
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

  /** Runs `work` in one transaction: it commits when the promise resolves and rolls back when it rejects. */
  async transaction<T>(work: (lane: Lane) => Promise<T>): Promise<T> {
    const client = await this.pool.connect();
    try {
      await client.query('BEGIN');
      const result = await work(this.on(client));
      await client.query('COMMIT');
      client.release();
      return result;
    } catch (error) {
      // Closing the connection rolls back.
      client.release(error as Error);
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.pool.end();
  }

  private on(client: PoolClient): Lane {
    return {
      executeSql: async <Row>(text: string, values: unknown[] = []) => {
        const { rows } = await client.query({ name: this.nameOf(text), text, values });
        return { rows: rows as Row[] };
      },
    };
  }

  private nameOf(text: string): string {
    let name = this.names.get(text);
    if (!name) this.names.set(text, (name = `s${this.names.size}`));
    return name;
  }
}
