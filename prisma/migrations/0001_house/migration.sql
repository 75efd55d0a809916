-- Tenants and keys ------------------------------------------------------------------------------------------------

CREATE TABLE tenants (
  tenant_id  uuid PRIMARY KEY,
  name       text NOT NULL,
  created_at timestamptz(3) NOT NULL DEFAULT now()
);

CREATE TABLE api_keys (
  key_id       uuid PRIMARY KEY,
  tenant_id    uuid NOT NULL,
  name         text NOT NULL,
  scopes       text[] NOT NULL,
  digest       bytea NOT NULL,
  hint         text NOT NULL,
  created_at   timestamptz(3) NOT NULL DEFAULT now(),
  expires_at   timestamptz(3),
  revoked_at   timestamptz(3),
  last_used_at timestamptz(3)
);
CREATE INDEX api_keys_tenant_id_key_id_idx ON api_keys (tenant_id, key_id);

-- Idempotency-Key answers -----------------------------------------------------------------------------------------

CREATE TABLE idempotency_keys (
  tenant_id    uuid NOT NULL,
  key          text NOT NULL,
  route        text NOT NULL,
  request_hash bytea NOT NULL,
  status       smallint,
  answer       text,
  created_at   timestamptz(3) NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, key)
);
CREATE INDEX idempotency_keys_created_at_idx ON idempotency_keys (created_at);

-- The event log -----------------------------------------------------------------------------------------------------
-- `json` keeps the text that was sent: key order, white space, numbers of any size.
-- One index serves both readers: lists walk it backwards, and a single event is found by the time that its ledger row
-- (an id the caller chose) or its own id (a UUID v7 of ours) carries.

CREATE TABLE events (
  tenant_id   uuid NOT NULL,
  recorded_at timestamptz(3) NOT NULL,
  event_id    text COLLATE "C" NOT NULL,
  event_type  text COLLATE "C" NOT NULL,
  occurred_at timestamptz(3) NOT NULL,
  data        json NOT NULL,
  metadata    json NOT NULL,
  source_id   uuid,
  PRIMARY KEY (tenant_id, recorded_at, event_id)
) PARTITION BY RANGE (recorded_at);

CREATE TABLE event_ledger (
  tenant_id   uuid NOT NULL,
  event_id    text COLLATE "C" NOT NULL,
  recorded_at timestamptz(3) NOT NULL,
  PRIMARY KEY (tenant_id, event_id)
) PARTITION BY HASH (event_id);

DO $$
BEGIN
  FOR i IN 0..15 LOOP
    EXECUTE format('CREATE TABLE event_ledger_%s PARTITION OF event_ledger FOR VALUES WITH (MODULUS 16, REMAINDER %s)', i, i);
    -- Expired rows are found by block range: they were written in time order.
    EXECUTE format('CREATE INDEX event_ledger_%s_recorded_at_idx ON event_ledger_%s USING brin (recorded_at)', i, i);
  END LOOP;
END $$;

-- Delivery ----------------------------------------------------------------------------------------------------------

CREATE TABLE webhooks (
  webhook_id      uuid PRIMARY KEY,
  tenant_id       uuid NOT NULL,
  url             text NOT NULL,
  description     text NOT NULL,
  events          text[] NOT NULL,
  headers         text,
  is_active       boolean NOT NULL,
  retry_policy    jsonb NOT NULL,
  disabled_at     timestamptz(3),
  disabled_reason text,
  version         integer NOT NULL DEFAULT 1,
  created_at      timestamptz(3) NOT NULL DEFAULT now(),
  updated_at      timestamptz(3) NOT NULL DEFAULT now(),
  deleted_at      timestamptz(3)
);
CREATE INDEX webhooks_tenant_id_webhook_id_idx ON webhooks (tenant_id, webhook_id);

CREATE TABLE webhook_secrets (
  secret_id  uuid PRIMARY KEY,
  webhook_id uuid NOT NULL REFERENCES webhooks ON DELETE CASCADE ON UPDATE CASCADE,
  sealed     text NOT NULL,
  hint       text NOT NULL,
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  expires_at timestamptz(3)
);
CREATE INDEX webhook_secrets_webhook_id_idx ON webhook_secrets (webhook_id);

-- No indexed column ever changes, so settling a delivery is a heap-only update.
CREATE TABLE deliveries (
  tenant_id         uuid NOT NULL,
  created_at        timestamptz(3) NOT NULL,
  delivery_id       uuid NOT NULL,
  webhook_id        uuid NOT NULL,
  event_id          text COLLATE "C" NOT NULL,
  event_recorded_at timestamptz(3) NOT NULL,
  event_type        text COLLATE "C" NOT NULL,
  is_test           boolean NOT NULL DEFAULT false,
  status            text NOT NULL CHECK (status IN ('pending', 'succeeded', 'retrying', 'dead', 'cancelled')),
  attempt_count     integer NOT NULL DEFAULT 0,
  next_attempt_at   timestamptz(3),
  completed_at      timestamptz(3),
  PRIMARY KEY (tenant_id, created_at, delivery_id)
) PARTITION BY RANGE (created_at);
CREATE INDEX deliveries_webhook_id_created_at_delivery_id_idx ON deliveries (webhook_id, created_at, delivery_id);
CREATE INDEX deliveries_event_id_idx ON deliveries (event_id);

-- The queue: small, hot, and with a single index, in the order in which it is served. Claiming changes no indexed column.
CREATE TABLE delivery_queue (
  webhook_id        uuid NOT NULL,
  due_at            timestamptz(3) NOT NULL,
  delivery_id       uuid NOT NULL,
  tenant_id         uuid NOT NULL,
  created_at        timestamptz(3) NOT NULL,
  event_id          text COLLATE "C" NOT NULL,
  event_recorded_at timestamptz(3) NOT NULL,
  attempt           integer NOT NULL,
  round_start       integer NOT NULL,
  trigger           text NOT NULL CHECK (trigger IN ('event', 'retry', 'manual', 'redrive', 'replay', 'test')),
  claimed_by        uuid,
  claimed_at        timestamptz(3),
  PRIMARY KEY (webhook_id, due_at, delivery_id)
) WITH (
  fillfactor = 50,
  autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500,
  autovacuum_analyze_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0
);

CREATE TABLE attempts (
  delivery_id      uuid NOT NULL,
  attempt          integer NOT NULL,
  started_at       timestamptz(3) NOT NULL,
  tenant_id        uuid NOT NULL,
  webhook_id       uuid NOT NULL,
  trigger          text NOT NULL,
  duration_ms      integer,
  request_headers  json,
  response_status  smallint,
  response_headers json,
  response_body    text,
  error_class      text,
  error            text,
  PRIMARY KEY (delivery_id, attempt, started_at)
) PARTITION BY RANGE (started_at);
CREATE INDEX attempts_webhook_id_started_at_idx ON attempts (webhook_id, started_at);

CREATE TABLE dead_letters (
  tenant_id           uuid NOT NULL,
  died_at             timestamptz(3) NOT NULL,
  delivery_id         uuid NOT NULL,
  delivery_created_at timestamptz(3) NOT NULL,
  webhook_id          uuid NOT NULL,
  event_id            text COLLATE "C" NOT NULL,
  event_type          text COLLATE "C" NOT NULL,
  attempt_count       integer NOT NULL,
  error_class         text,
  reason              text NOT NULL,
  PRIMARY KEY (tenant_id, died_at, delivery_id)
);
CREATE UNIQUE INDEX dead_letters_delivery_id_key ON dead_letters (delivery_id);
CREATE INDEX dead_letters_webhook_id_died_at_idx ON dead_letters (webhook_id, died_at);

CREATE TABLE dispatchers (
  dispatcher_id uuid PRIMARY KEY,
  host          text NOT NULL,
  pid           integer NOT NULL,
  started_at    timestamptz(3) NOT NULL DEFAULT now(),
  heartbeat_at  timestamptz(3) NOT NULL DEFAULT now()
);

-- Views for people with psql ------------------------------------------------------------------------------------------

CREATE VIEW delivery_log AS
SELECT d.created_at, t.name AS tenant, d.event_type, w.url, d.status, d.attempt_count AS attempts,
       a.response_status AS last_response_status, a.duration_ms AS last_duration_ms, a.error_class AS last_error_class,
       a.error AS last_error, d.next_attempt_at, d.completed_at,
       round(extract(epoch FROM d.completed_at - d.created_at)::numeric, 3) AS seconds_to_complete,
       d.is_test, d.delivery_id, d.event_id, d.webhook_id, d.tenant_id
  FROM deliveries d
  JOIN webhooks w USING (webhook_id)
  JOIN tenants t ON t.tenant_id = d.tenant_id
  LEFT JOIN LATERAL (
    SELECT response_status, duration_ms, error_class, error
      FROM attempts WHERE delivery_id = d.delivery_id AND started_at >= d.created_at - interval '1 minute'
     ORDER BY attempt DESC LIMIT 1
  ) a ON true;
COMMENT ON VIEW delivery_log IS 'One row per delivery with the outcome of its latest attempt. Bound created_at when you query it.';

CREATE VIEW webhook_health AS
SELECT w.webhook_id, t.name AS tenant, w.url,
       CASE WHEN w.disabled_at IS NOT NULL THEN 'disabled' WHEN w.is_active THEN 'active' ELSE 'paused' END AS status,
       w.disabled_reason, q.waiting, q.oldest_due_at, l.dead_letters,
       a.attempts_24h, a.failures_24h,
       round(100.0 * (a.attempts_24h - a.failures_24h) / nullif(a.attempts_24h, 0), 2) AS success_percent_24h,
       a.p50_ms_24h, a.p99_ms_24h, a.last_success_at, a.last_failure_at, w.tenant_id
  FROM webhooks w
  JOIN tenants t USING (tenant_id)
  LEFT JOIN LATERAL (
    SELECT count(*) AS waiting, min(due_at) AS oldest_due_at FROM delivery_queue WHERE webhook_id = w.webhook_id
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
COMMENT ON VIEW webhook_health IS 'One row per webhook: what waits, what died, and how the last 24 hours went.';

CREATE VIEW dead_letter_log AS
SELECT l.died_at, t.name AS tenant, l.event_type, w.url, l.attempt_count AS attempts, l.error_class, l.reason,
       l.delivery_id, l.event_id, l.webhook_id, l.tenant_id
  FROM dead_letters l
  JOIN webhooks w USING (webhook_id)
  JOIN tenants t ON t.tenant_id = l.tenant_id;
COMMENT ON VIEW dead_letter_log IS 'One row per delivery that was given up, with the reason in words.';
