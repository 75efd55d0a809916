/**
 * The floor for publishing: the least a durable POST /v1/events can be made of. Bare Fastify parses the body; rows go in
 * through micro-batches over two bare `pg` connections into one partitioned table with the columns of `events`, and the
 * answer waits for the commit. No keys, no validation, no ledger, no outbox.
 */
import Fastify from 'fastify';
import { batched, openEvents, TENANT, timedId } from './floor.mjs';
import { serveHelper } from './helper.mjs';

const INSERT = `INSERT INTO events (tenant_id, recorded_at, event_id, event_type, occurred_at, data, metadata)
  SELECT $1, $2, i, y, $2, d, '{}' FROM json_to_recordset($3::json) AS r(i text, y text, d json)`;

const makeWriter = (pool) => batched(async (lists) => {
  const now = Date.now();
  const rows = lists.flatMap((events) => events.map((event) => ({ i: timedId(now), y: event.event_type, d: event.data })));
  await pool.query({ name: 'insert', text: INSERT, values: [TENANT, new Date(now), JSON.stringify(rows)] });
  let at = 0;
  return lists.map((events) => events.map(() => ({ event_id: rows[at++].i, duplicate: false })));
});

serveHelper({
  /** Makes the table in an empty database and listens. @returns {Promise<number>} the port */
  async start(databaseUrl) {
    const append = makeWriter(await openEvents(databaseUrl));
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
