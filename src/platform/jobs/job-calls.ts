import type { PgBoss } from 'pg-boss';
import type { Lane } from '../db/hot-lane.js';
import type { Log } from '../observe/log.js';

const CHANNEL = 'lakehook_jobs';

/**
 * Calls that workers of other processes hear: there may be a job in a queue. A call that is lost costs the time until the next look, a second at most.
 *
 * A NOTIFY takes a lock of the whole database and keeps it until its commit is on the disk, so transactions that call wait for each other's
 * disk writes (docs/decisions/0009). Those that are many call when they have committed, in a transaction of their own that waits for no disk.
 */
export class JobCalls {
  private readonly waiting = new Set<string>();
  private calling = false;
  private listener: { close(): Promise<void> } | undefined;

  /** `db` must not wait for the disk when it commits. */
  constructor(private readonly db: ReturnType<PgBoss['getDb']>, private readonly log: Log) {}

  /** From here on `hear` learns the name of each queue that is called. Without a way to listen, nothing is heard. */
  async listen(hear: (name: string) => void): Promise<void> {
    this.listener = await this.db.listen!(CHANNEL, hear, () => {}).catch((error: unknown) => {
      this.log.warn({ err: error }, 'nothing can be heard of jobs that other processes send; they are looked for every second');
      return undefined;
    });
  }

  /** Calls when the transaction commits. */
  async callWithin(lane: Lane, name: string): Promise<void> {
    await lane.executeSql(`SELECT 1 FROM pg_notify('${CHANNEL}', $1)`, [name]);
  }

  /** Calls now. What comes while a call is on its way goes out with the next. */
  call(name: string): void {
    this.waiting.add(name);
    if (!this.calling) void this.callAll();
  }

  async close(): Promise<void> {
    await this.listener?.close();
  }

  private async callAll(): Promise<void> {
    this.calling = true;
    try {
      while (this.waiting.size > 0) {
        const names = [...this.waiting];
        this.waiting.clear();
        await this.db.executeSql(`SELECT count(pg_notify('${CHANNEL}', name)) FROM unnest($1::text[]) AS name`, [names]);
      }
    } catch (error) {
      this.log.debug({ err: error }, 'a call to workers was lost');
    } finally {
      this.calling = false;
    }
  }
}
