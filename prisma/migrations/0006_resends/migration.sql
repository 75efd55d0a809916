-- Redrives, replays and recoveries as jobs with progress. A part is one walk in time order: over the dead letters of a
-- webhook, or over the log for a webhook. Its cursor moves in the transaction that queues what it passed.

CREATE TABLE resends (
  resend_id       uuid PRIMARY KEY,
  tenant_id       uuid NOT NULL,
  kind            text NOT NULL CHECK (kind IN ('redrive', 'replay', 'recover')),
  webhook_id      uuid,
  selection       jsonb NOT NULL,
  left_out        jsonb NOT NULL,
  status          text NOT NULL CHECK (status IN ('queued', 'running', 'succeeded', 'cancelled', 'failed')),
  rate_per_second integer,
  total_count     integer NOT NULL,
  done_count      integer NOT NULL DEFAULT 0,
  skipped_count   integer NOT NULL DEFAULT 0,
  advance_at      timestamptz(3) NOT NULL,
  failures        integer NOT NULL DEFAULT 0,
  error           text,
  created_at      timestamptz(3) NOT NULL,
  started_at      timestamptz(3),
  finished_at     timestamptz(3)
);
CREATE INDEX resends_tenant_id_created_at_resend_id_idx ON resends (tenant_id, created_at, resend_id);
CREATE INDEX resends_advance_at_idx ON resends (advance_at) WHERE status IN ('queued', 'running');

CREATE TABLE resend_parts (
  resend_id   uuid NOT NULL REFERENCES resends ON DELETE CASCADE ON UPDATE CASCADE,
  step        text NOT NULL CHECK (step IN ('letters', 'events')),
  webhook_id  uuid NOT NULL,
  total_count integer NOT NULL,
  done_count  integer NOT NULL DEFAULT 0,
  cursor_time timestamptz(3),
  cursor_id   text COLLATE "C",
  advanced_at timestamptz(3),
  finished_at timestamptz(3),
  error       text,
  PRIMARY KEY (resend_id, step, webhook_id)
);

-- Which resend queued a delivery last: the same resend never takes it twice, whatever the clocks of its deaths say.
ALTER TABLE deliveries ADD COLUMN resend_id uuid;

-- Set until the first attempt. The index holds nothing but these, and claiming still changes no indexed column.
ALTER TABLE delivery_queue ADD COLUMN resend_id uuid;
CREATE INDEX delivery_queue_resend_id_webhook_id_idx ON delivery_queue (resend_id, webhook_id) WHERE resend_id IS NOT NULL;

-- Walks of one webhook's dead letters go on after (died_at, delivery_id); old ones are found by died_at alone.
DROP INDEX dead_letters_webhook_id_died_at_idx;
CREATE INDEX dead_letters_webhook_id_died_at_delivery_id_idx ON dead_letters (webhook_id, died_at, delivery_id);
CREATE INDEX dead_letters_died_at_idx ON dead_letters (died_at);
CREATE INDEX dead_letters_event_id_idx ON dead_letters (event_id);
