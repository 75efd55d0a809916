import { PrismaPg } from '@prisma/adapter-pg';
import { Prisma, PrismaClient } from './generated/client.js';
import { HEARD } from './heard-client.js';
import type { Lane } from './hot-lane.js';
import { type SessionSettings, withSettings } from './session.js';

/** What a statement runs on: the open transaction, or the pool. Everything below the edge takes one first. */
export type Tx = Prisma.TransactionClient;

const SETTINGS: SessionSettings = {
  firm: { timezone: 'UTC' },
  limits: { statement_timeout: 60_000, lock_timeout: 10_000, idle_in_transaction_session_timeout: 30_000 },
};

/**
 * The pool and its transactions. Every session speaks UTC and gives up statements after 60 s, lock waits after 10 s and
 * idle transactions after 30 s: the oldest transaction, not the rate, is what bloats a Postgres queue.
 */
export class Database {
  readonly client: PrismaClient;

  constructor(readonly url: string, poolSize: number, applicationName = 'lakehook') {
    const adapter = new PrismaPg({
      ...HEARD,
      connectionString: withSettings(url, SETTINGS),
      max: poolSize,
      application_name: applicationName,
      connectionTimeoutMillis: 5_000,
      keepAlive: true,
      // Beyond the statement timeout: nobody is there then, and TCP would wait for minutes.
      query_timeout: 65_000,
    }, {
      // The default prints to stderr. A lost idle connection is not news: the next statement opens another.
      onPoolError: () => {},
      onConnectionError: () => {},
    });
    this.client = new PrismaClient({ adapter });
  }

  /** Runs `work` in one transaction: it commits when the promise resolves and rolls back when it rejects. */
  transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.client.$transaction(work, { maxWait: 5_000, timeout: 60_000 });
  }

  /** Resolves when Postgres answers. */
  async ping(): Promise<void> {
    await this.client.$queryRaw`SELECT 1`;
  }

  async close(): Promise<void> {
    await this.client.$disconnect();
  }
}

/** A transaction of Prisma's as a lane, for who writes rows of their own and events or jobs in one transaction. Off the hot paths only. */
export function laneOn(tx: Tx): Lane {
  return { executeSql: async <Row>(text: string, values: unknown[] = []) => ({ rows: await tx.$queryRawUnsafe<Row[]>(text, ...values) }) };
}
