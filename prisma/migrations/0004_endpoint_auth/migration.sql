-- How a webhook shows its receiver who is calling, sealed as one; and which sealing keys have been used on this database.

ALTER TABLE webhooks ADD COLUMN credentials text;

CREATE TABLE sealing_canaries (
  key_id     text PRIMARY KEY,
  sealed     text NOT NULL,
  created_at timestamptz(3) NOT NULL DEFAULT now()
);
