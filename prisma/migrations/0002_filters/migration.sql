-- Conditions on `data`, `metadata` and `event_type` that an event must meet to be delivered. Null for none.
ALTER TABLE webhooks ADD COLUMN filter jsonb;

-- How many events the filter of a webhook kept from it, by hour.
CREATE TABLE filtered_events (
  webhook_id uuid NOT NULL,
  hour       timestamptz(3) NOT NULL,
  count      integer NOT NULL,
  PRIMARY KEY (webhook_id, hour)
) WITH (fillfactor = 50);

-- What a look at a webhook's last day reads of its attempts, without touching the wide rows themselves. Tests do not count there.
DROP INDEX attempts_webhook_id_started_at_idx;
CREATE INDEX attempts_webhook_id_started_at_idx ON attempts (webhook_id, started_at) INCLUDE (duration_ms, response_status, error_class) WHERE trigger <> 'test';
