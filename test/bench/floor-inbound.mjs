/**
 * The floor for inbound requests: the least that a durable, deduplicated POST /in/<token> can be made of. Bare Fastify reads the
 * bytes, verifies their HMAC, and the time where one is signed, and parses them; a row of the ledger and one of the log go in
 * through micro-batches over two bare `pg` connections, and the answer waits for the commit. No look-up of sources, no checks of
 * what may be stored, no headers kept, no outbox.
 */
import { createHmac, hash, timingSafeEqual } from 'node:crypto';
import Fastify from 'fastify';
import { batched, openEvents, TENANT, timedId } from './floor.mjs';
import { serveHelper } from './helper.mjs';

const TOLERANCE_S = 300;
const TTL_MS = 72 * 3_600_000;
const SOURCES = { github: '00000000-0000-7000-8000-000000000002', stripe: '00000000-0000-7000-8000-000000000003' };

const LEDGER = `CREATE TABLE inbound_ledger (
  source_id uuid NOT NULL, provider_event_id text COLLATE "C" NOT NULL, body_sha256 bytea NOT NULL, event_id text COLLATE "C" NOT NULL,
  recorded_at timestamptz(3) NOT NULL, expires_at timestamptz(3) NOT NULL, PRIMARY KEY (source_id, provider_event_id)
)`;

const INSERT = `WITH incoming AS MATERIALIZED (
    SELECT * FROM json_to_recordset($4::json) AS r(i text, s uuid, p text, h text, y text, d json)
  ), claimed AS (
    INSERT INTO inbound_ledger SELECT s, p, decode(h, 'hex'), i, $2, $3 FROM incoming ORDER BY s, p ON CONFLICT DO NOTHING RETURNING event_id
  )
  INSERT INTO events (tenant_id, recorded_at, event_id, event_type, occurred_at, data, metadata, source_id)
  SELECT $1, $2, i, y, $2, d, '{}', s FROM incoming WHERE i IN (SELECT event_id FROM claimed) RETURNING event_id`;

/** Another statement: what a concurrent batch has committed meanwhile, the first one does not see. */
const FIRSTS = 'SELECT provider_event_id, event_id FROM inbound_ledger WHERE (source_id, provider_event_id) IN (SELECT * FROM unnest($1::uuid[], $2::text[]))';

const makeWriter = (pool) => batched(async (lists) => {
  const now = Date.now();
  const rows = lists.map(([{ source, id, digest, type, text }]) => {
    const eventId = timedId(now);
    return { eventId, source, id, text: `{"i":"${eventId}","s":"${source}","p":${JSON.stringify(id)},"h":"${digest}","y":${JSON.stringify(type)},"d":${text}}` };
  });
  const values = [TENANT, new Date(now), new Date(now + TTL_MS), `[${rows.map(({ text }) => text).join(',')}]`];
  const stored = await pool.query({ name: 'insert', text: INSERT, values });
  const fresh = new Set(stored.rows.map(({ event_id }) => event_id));
  const repeats = rows.filter(({ eventId }) => !fresh.has(eventId));
  const firsts = new Map();
  if (repeats.length > 0) {
    const found = await pool.query({ name: 'firsts', text: FIRSTS, values: [repeats.map(({ source }) => source), repeats.map(({ id }) => id)] });
    for (const { provider_event_id, event_id } of found.rows) firsts.set(provider_event_id, event_id);
  }
  return rows.map(({ eventId, id }) => ({ event_id: firsts.get(id) ?? eventId, duplicate: !fresh.has(eventId) }));
});

function fits(expected, given) {
  const [a, b] = [Buffer.from(expected), Buffer.from(given)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/** What a verified request holds, by provider. Undefined where it does not verify. */
const READERS = {
  github(headers, body, secret) {
    if (!fits(`sha256=${createHmac('sha256', secret).update(body).digest('hex')}`, headers['x-hub-signature-256'] ?? '')) return undefined;
    const text = body.toString();
    JSON.parse(text);
    return { id: headers['x-github-delivery'], type: headers['x-github-event'], text };
  },
  stripe(headers, body, secret) {
    const { t, v1 } = Object.fromEntries((headers['stripe-signature'] ?? '').split(',').map((part) => part.split('=', 2)));
    if (!fits(createHmac('sha256', secret).update(`${t}.`).update(body).digest('hex'), v1 ?? '') || Math.abs(Date.now() / 1000 - Number(t)) > TOLERANCE_S) return undefined;
    const text = body.toString();
    const { id, type } = JSON.parse(text);
    return { id, type, text };
  },
};

serveHelper({
  /** Makes the tables in an empty database and listens. @returns {Promise<number>} the port */
  async start(databaseUrl, secret) {
    const pool = await openEvents(databaseUrl);
    await pool.query(LEDGER);
    const append = makeWriter(pool);
    const app = Fastify({ bodyLimit: 5 * 1024 * 1024, keepAliveTimeout: 72_000 });
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('*', { parseAs: 'buffer' }, (_, body, done) => done(null, body));
    app.post('/in/:provider', async ({ params: { provider }, headers, body }, reply) => {
      const read = READERS[provider]?.(headers, body, secret);
      reply.code(read ? 202 : 401);
      return read ? append([{ ...read, source: SOURCES[provider], digest: hash('sha256', body, 'hex') }]) : {};
    });
    await app.listen({ port: 0, host: '127.0.0.1' });
    return app.server.address().port;
  },
});
