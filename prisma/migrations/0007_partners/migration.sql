-- The audit log ---------------------------------------------------------------------------------------------------
-- `json` keeps the text that the hash was made over. `sequence` has no gaps within a tenant.

CREATE TABLE audit_log (
  tenant_id     uuid NOT NULL,
  sequence      bigint NOT NULL,
  recorded_at   timestamptz(3) NOT NULL,
  key_id        uuid NOT NULL,
  request_id    text,
  action        text NOT NULL,
  subject_type  text NOT NULL,
  subject_id    text NOT NULL,
  before        json,
  after         json,
  previous_hash bytea NOT NULL,
  hash          bytea NOT NULL,
  PRIMARY KEY (tenant_id, sequence)
);
CREATE INDEX audit_log_tenant_id_subject_id_sequence_idx ON audit_log (tenant_id, subject_id, sequence);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% only grows: % is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER audit_log_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
-- Also for sessions that replicate, which skip ordinary triggers.
ALTER TABLE audit_log ENABLE ALWAYS TRIGGER audit_log_only_grows;

-- Partners and what they are subscribed to ------------------------------------------------------------------------

CREATE TABLE partners (
  partner_id uuid PRIMARY KEY,
  tenant_id  uuid NOT NULL,
  name       text NOT NULL,
  contact    text NOT NULL,
  metadata   jsonb NOT NULL,
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  updated_at timestamptz(3) NOT NULL DEFAULT now(),
  deleted_at timestamptz(3)
);
CREATE INDEX partners_tenant_id_partner_id_idx ON partners (tenant_id, partner_id);

ALTER TABLE webhooks ADD COLUMN partner_id uuid;
CREATE INDEX webhooks_partner_id_idx ON webhooks (partner_id) WHERE partner_id IS NOT NULL;

CREATE TABLE subscriptions (
  subscription_id uuid PRIMARY KEY,
  tenant_id       uuid NOT NULL,
  partner_id      uuid NOT NULL,
  webhook_id      uuid NOT NULL,
  events          text[] NOT NULL,
  note            text NOT NULL,
  status          text NOT NULL CHECK (status IN ('pending', 'approved', 'rejected', 'cancelled')),
  requested_by    uuid NOT NULL,
  created_at      timestamptz(3) NOT NULL DEFAULT now(),
  decided_by      uuid,
  decided_at      timestamptz(3),
  cancelled_by    uuid,
  cancelled_at    timestamptz(3),
  reason          text
);
CREATE INDEX subscriptions_tenant_id_subscription_id_idx ON subscriptions (tenant_id, subscription_id);
CREATE INDEX subscriptions_webhook_id_idx ON subscriptions (webhook_id);
CREATE INDEX subscriptions_partner_id_idx ON subscriptions (partner_id);
