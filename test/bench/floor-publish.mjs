/**
 * The floor for publishing: the least a durable POST /v1/events can be made of. Bare Fastify parses the body; rows go in
 * through micro-batches over two bare `pg` connections into one partitioned table with the columns of `events`, and the
 * answer waits for the commit. No keys, no validation, no ledger, no outbox.
 */
import { randomBytes } from 'node:crypto';
import Fastify from 'fastify';
import { Pool } from 'pg';
import { serveHelper } from './helper.mjs';

const MAX_ROWS = 1_000;
const IN_FLIGHT = 2;
const TENANT = '00000000-0000-7000-8000-000000000001';

const TABLE = `CREATE TABLE events (
  tenant_id uuid NOT NULL, recorded_at timestamptz(3) NOT NULL, event_id text COLLATE "C" NOT NULL, event_type text COLLATE "C" NOT NULL,
  occurred_at timestamptz(3) NOT NULL, data json NOT NULL, metadata json NOT NULL, source_id uuid,
  PRIMARY KEY (tenant_id, recorded_at, event_id)
) PARTITION BY RANGE (recorded_at)`;

const INSERT = `INSERT INTO events (tenant_id, recorded_at, event_id, event_type, occurred_at, data, metadata)
  SELECT $1, $2, i, y, $2, d, '{}' FROM json_to_recordset($3::json) AS r(i text, y text, d json)`;

/** Ids in time order, like those of the server, so that both indexes grow at their right edge. */
function timedId(ms) {
  const hex = ms.toString(16).padStart(12, '0') + randomBytes(10).toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-7${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

function makeWriter(pool) {
  const waiting = [];
  let running = 0;
  const flush = async (batch) => {
    try {
      const now = Date.now();
      const rows = batch.flatMap(({ events }) => events.map((event) => ({ i: timedId(now), y: event.event_type, d: event.data })));
      await pool.query({ name: 'insert', text: INSERT, values: [TENANT, new Date(now), JSON.stringify(rows)] });
      let at = 0;
      for (const { events, resolve } of batch) resolve(events.map(() => ({ event_id: rows[at++].i, duplicate: false })));
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
      while (count < waiting.length && (count === 0 || rows + waiting[count].events.length <= MAX_ROWS)) rows += waiting[count++].events.length;
      running++;
      void flush(waiting.splice(0, count));
    }
  };
  return (events) => new Promise((resolve, reject) => {
    waiting.push({ events, resolve, reject });
    if (waiting.length === 1) setImmediate(start);
  });
}

const day = (offset) => new Date(Date.now() + offset * 86_400_000).toISOString().slice(0, 10);

serveHelper({
  /** Makes the table in an empty database and listens. @returns {Promise<number>} the port */
  async start(databaseUrl) {
    const pool = new Pool({ connectionString: databaseUrl, max: IN_FLIGHT });
    await pool.query(TABLE);
    await pool.query(`CREATE TABLE events_today PARTITION OF events FOR VALUES FROM ('${day(-1)}T00:00:00Z') TO ('${day(2)}T00:00:00Z')`);
    const append = makeWriter(pool);
    const app = Fastify({ bodyLimit: 5 * 1024 * 1024, keepAliveTimeout: 72_000 });
    app.post('/v1/events', async (request, reply) => {
      const { events } = request.body;
      reply.code(202);
      return events ? { data: await append(events) } : (await append([request.body]))[0];
    });
    await app.listen({ port: 0, host: '127.0.0.1' });
    return app.server.address().port;
  },
});
