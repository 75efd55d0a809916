-- How fast, in what order, and for how long in vain ---------------------------------------------------------------

ALTER TABLE webhooks
  ADD COLUMN rate_limit          jsonb,
  ADD COLUMN ordered             boolean NOT NULL DEFAULT false,
  ADD COLUMN order_key           text,
  ADD COLUMN on_exhausted        text NOT NULL DEFAULT 'block' CHECK (on_exhausted IN ('block', 'skip')),
  ADD COLUMN disable_after_hours integer NOT NULL DEFAULT 120;

-- What all processes share about the flow to a webhook: its circuit, its ramp, its bucket of tokens. A webhook without a
-- rate limit that has never failed has no row.
CREATE TABLE webhook_flows (
  webhook_id    uuid PRIMARY KEY REFERENCES webhooks ON DELETE CASCADE ON UPDATE CASCADE,
  state         text NOT NULL DEFAULT 'closed' CHECK (state IN ('closed', 'open', 'half_open')),
  failing_since timestamptz(3),
  last_error    text,
  opened_at     timestamptz(3),
  trips         integer NOT NULL DEFAULT 0,
  probe_at      timestamptz(3),
  held_until    timestamptz(3),
  ramp_from     timestamptz(3),
  ramp_sent     integer NOT NULL DEFAULT 0,
  per_second    double precision,
  burst         double precision,
  tokens        double precision,
  tokens_at     timestamptz(3)
) WITH (fillfactor = 50, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0.1);

-- Deliveries of an ordered webhook carry a key. Of each key only the first in line has a finite due time; the others wait at
-- infinity. So the first entry of a key in this index says both whether one is in line and who is next.
ALTER TABLE delivery_queue
  ADD COLUMN order_key text COLLATE "C",
  ADD COLUMN position  integer;
CREATE INDEX delivery_queue_order_idx ON delivery_queue (webhook_id, order_key, due_at, event_recorded_at, position, delivery_id) WHERE order_key IS NOT NULL;

ALTER TABLE dead_letters
  ADD COLUMN order_key text COLLATE "C",
  ADD COLUMN position  integer;

-- Keys that stand still behind a dead letter.
CREATE TABLE order_blocks (
  webhook_id  uuid NOT NULL REFERENCES webhooks ON DELETE CASCADE ON UPDATE CASCADE,
  order_key   text COLLATE "C" NOT NULL,
  delivery_id uuid NOT NULL,
  blocked_at  timestamptz(3) NOT NULL,
  PRIMARY KEY (webhook_id, order_key)
);

CREATE OR REPLACE VIEW webhook_health AS
SELECT w.webhook_id, t.name AS tenant, w.url,
       CASE WHEN w.disabled_at IS NOT NULL THEN 'disabled' WHEN NOT w.is_active THEN 'paused'
            WHEN f.state IN ('open', 'half_open') THEN 'open_circuit' ELSE 'active' END AS status,
       w.disabled_reason, q.waiting, q.oldest_due_at, l.dead_letters,
       a.attempts_24h, a.failures_24h,
       round(100.0 * (a.attempts_24h - a.failures_24h) / nullif(a.attempts_24h, 0), 2) AS success_percent_24h,
       a.p50_ms_24h, a.p99_ms_24h, a.last_success_at, a.last_failure_at, w.tenant_id,
       f.failing_since, f.probe_at AS next_probe_at, f.held_until, f.last_error
  FROM webhooks w
  JOIN tenants t USING (tenant_id)
  LEFT JOIN webhook_flows f USING (webhook_id)
  LEFT JOIN LATERAL (
    SELECT count(*) AS waiting, min(due_at) FILTER (WHERE due_at < 'infinity') AS oldest_due_at FROM delivery_queue WHERE webhook_id = w.webhook_id
  ) q ON true
  LEFT JOIN LATERAL (SELECT count(*) AS dead_letters FROM dead_letters WHERE webhook_id = w.webhook_id) l ON true
  LEFT JOIN LATERAL (
    SELECT count(*) AS attempts_24h, count(*) FILTER (WHERE error_class IS NOT NULL) AS failures_24h,
           percentile_disc(0.5) WITHIN GROUP (ORDER BY duration_ms) AS p50_ms_24h,
           percentile_disc(0.99) WITHIN GROUP (ORDER BY duration_ms) AS p99_ms_24h,
           max(started_at) FILTER (WHERE error_class IS NULL) AS last_success_at,
           max(started_at) FILTER (WHERE error_class IS NOT NULL) AS last_failure_at
      FROM attempts WHERE webhook_id = w.webhook_id AND started_at > now() - interval '24 hours' AND trigger <> 'test'
  ) a ON true
 WHERE w.deleted_at IS NULL;
