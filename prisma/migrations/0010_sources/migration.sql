-- What came in through a source is kept byte for byte: here, where `data` is not exactly that.
ALTER TABLE events ADD COLUMN body bytea, ADD COLUMN content_type text;

CREATE TABLE sources (
  source_id                 uuid PRIMARY KEY,
  tenant_id                 uuid NOT NULL,
  name                      text NOT NULL,
  provider                  text NOT NULL,
  options                   jsonb NOT NULL,
  is_active                 boolean NOT NULL,
  token_hash                bytea NOT NULL,
  sealed_token              text NOT NULL,
  previous_token_hash       bytea,
  previous_token_expires_at timestamptz(3),
  created_at                timestamptz(3) NOT NULL DEFAULT now(),
  updated_at                timestamptz(3) NOT NULL DEFAULT now()
);
CREATE INDEX sources_tenant_id_source_id_idx ON sources (tenant_id, source_id);
CREATE UNIQUE INDEX sources_token_hash_key ON sources (token_hash);
CREATE UNIQUE INDEX sources_previous_token_hash_key ON sources (previous_token_hash);

CREATE TABLE source_secrets (
  secret_id  uuid PRIMARY KEY,
  source_id  uuid NOT NULL REFERENCES sources ON DELETE CASCADE ON UPDATE CASCADE,
  sealed     text NOT NULL,
  hint       text NOT NULL,
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  expires_at timestamptz(3)
);
CREATE INDEX source_secrets_source_id_idx ON source_secrets (source_id);

-- What providers' ids have come in. No foreign keys from here on: the gate takes no lock on a source.
CREATE TABLE inbound_ledger (
  source_id         uuid NOT NULL,
  provider_event_id text COLLATE "C" NOT NULL,
  body_sha256       bytea NOT NULL,
  event_id          text COLLATE "C" NOT NULL,
  recorded_at       timestamptz(3) NOT NULL,
  expires_at        timestamptz(3) NOT NULL,
  PRIMARY KEY (source_id, provider_event_id)
) PARTITION BY HASH (provider_event_id);

DO $$
BEGIN
  FOR i IN 0..15 LOOP
    EXECUTE format('CREATE TABLE inbound_ledger_%s PARTITION OF inbound_ledger FOR VALUES WITH (MODULUS 16, REMAINDER %s)', i, i);
    -- Expired rows are found by block range: they were written in time order.
    EXECUTE format('CREATE INDEX inbound_ledger_%s_expires_at_idx ON inbound_ledger_%s USING brin (expires_at)', i, i);
  END LOOP;
END $$;

CREATE TABLE inbound_conflicts (
  conflict_id       uuid PRIMARY KEY,
  tenant_id         uuid NOT NULL,
  source_id         uuid NOT NULL,
  provider_event_id text COLLATE "C" NOT NULL,
  event_id          text COLLATE "C" NOT NULL,
  body_sha256       bytea NOT NULL,
  byte_count        integer NOT NULL,
  body              bytea NOT NULL,
  content_type      text,
  received_at       timestamptz(3) NOT NULL
);
-- The same other body again is no news.
CREATE UNIQUE INDEX inbound_conflicts_body_key ON inbound_conflicts (source_id, provider_event_id, body_sha256);
CREATE INDEX inbound_conflicts_source_id_conflict_id_idx ON inbound_conflicts (source_id, conflict_id);
CREATE INDEX inbound_conflicts_received_at_idx ON inbound_conflicts (received_at);

CREATE TABLE quarantined_requests (
  quarantine_id uuid PRIMARY KEY,
  tenant_id     uuid NOT NULL,
  source_id     uuid NOT NULL,
  received_at   timestamptz(3) NOT NULL,
  reason        text NOT NULL CHECK (reason IN ('missing', 'malformed', 'stale', 'mismatch')),
  detail        text NOT NULL,
  request       text NOT NULL,
  byte_count    integer NOT NULL,
  body          bytea NOT NULL
);
CREATE INDEX quarantined_requests_source_id_quarantine_id_idx ON quarantined_requests (source_id, quarantine_id);
CREATE INDEX quarantined_requests_received_at_idx ON quarantined_requests (received_at);
