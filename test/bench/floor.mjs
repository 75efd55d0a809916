/** What floors that store share: the table of events, ids in time order, and micro-batches over a few bare connections. */
import { randomBytes } from 'node:crypto';
import { Pool } from 'pg';

const MAX_ROWS = 1_000;
const IN_FLIGHT = 2;
export const TENANT = '00000000-0000-7000-8000-000000000001';

const EVENTS = `CREATE TABLE events (
  tenant_id uuid NOT NULL, recorded_at timestamptz(3) NOT NULL, event_id text COLLATE "C" NOT NULL, event_type text COLLATE "C" NOT NULL,
  occurred_at timestamptz(3) NOT NULL, data json NOT NULL, metadata json NOT NULL, source_id uuid, body bytea, content_type text,
  PRIMARY KEY (tenant_id, recorded_at, event_id)
) PARTITION BY RANGE (recorded_at)`;

const day = (offset) => new Date(Date.now() + offset * 86_400_000).toISOString().slice(0, 10);

/** Connections to an empty database, in which the table of events is made. */
export async function openEvents(databaseUrl) {
  const pool = new Pool({ connectionString: databaseUrl, max: IN_FLIGHT });
  await pool.query(EVENTS);
  await pool.query(`CREATE TABLE events_today PARTITION OF events FOR VALUES FROM ('${day(-1)}T00:00:00Z') TO ('${day(2)}T00:00:00Z')`);
  return pool;
}

/** Ids in time order, like those of the server, so that indexes grow at their right edge. */
export function timedId(ms) {
  const hex = ms.toString(16).padStart(12, '0') + randomBytes(10).toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-7${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/**
 * Gathers what comes at the same time. `store` takes several lists of items, and answers for each what its caller is told.
 * @template Item, Answer
 * @param {(lists: Item[][]) => Promise<Answer[]>} store
 * @returns {(items: Item[]) => Promise<Answer>}
 */
export function batched(store) {
  const waiting = [];
  let running = 0;
  const flush = async (batch) => {
    try {
      const answers = await store(batch.map(({ items }) => items));
      batch.forEach(({ resolve }, at) => resolve(answers[at]));
    } catch (error) {
      for (const { reject } of batch) reject(error);
    } finally {
      running--;
      start();
    }
  };
  const start = () => {
    while (waiting.length > 0 && running < IN_FLIGHT) {
      let rows = 0;
      let count = 0;
      while (count < waiting.length && (count === 0 || rows + waiting[count].items.length <= MAX_ROWS)) rows += waiting[count++].items.length;
      running++;
      void flush(waiting.splice(0, count));
    }
  };
  return (items) => new Promise((resolve, reject) => {
    waiting.push({ items, resolve, reject });
    if (waiting.length === 1) setImmediate(start);
  });
}
