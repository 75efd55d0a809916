-- How a webhook's deliveries are signed: the schemes of Standard Webhooks, and an older contract to keep beside them.
ALTER TABLE webhooks
  ADD COLUMN signing   text[] NOT NULL DEFAULT '{v1}',
  ADD COLUMN signature jsonb;

-- A tenant's key pairs for v1a.
CREATE TABLE signing_keys (
  signing_key_id uuid PRIMARY KEY,
  tenant_id      uuid NOT NULL,
  public_key     text NOT NULL,
  sealed         text NOT NULL,
  created_at     timestamptz(3) NOT NULL,
  activate_at    timestamptz(3) NOT NULL,
  retire_at      timestamptz(3)
);
CREATE INDEX signing_keys_tenant_id_signing_key_id_idx ON signing_keys (tenant_id, signing_key_id);
-- One key of a tenant has no end. Processes that make the first one at the same time come to one here.
CREATE UNIQUE INDEX signing_keys_tenant_id_endless_idx ON signing_keys (tenant_id) WHERE retire_at IS NULL;
