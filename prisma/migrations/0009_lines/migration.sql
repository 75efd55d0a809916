-- At most one of a line is under way. Two that let different deliveries of a line go at the same time (one of them has just
-- come in before the other) each see none under way; here the later fails, and looks again.
CREATE UNIQUE INDEX delivery_queue_under_way_idx ON delivery_queue (webhook_id, order_key) WHERE order_key IS NOT NULL AND due_at < 'infinity';

-- A line may stand still behind several dead letters: one that was skipped, sent again and died again lies before another.
ALTER TABLE order_blocks DROP CONSTRAINT order_blocks_pkey, ADD PRIMARY KEY (webhook_id, order_key, delivery_id);

-- Redrives walk the dead letters of a webhook in the order of their lines, so that none is queued before one that stands before it.
ALTER TABLE dead_letters ADD COLUMN event_recorded_at timestamptz(3);
UPDATE dead_letters l SET event_recorded_at = coalesce(
  (SELECT d.event_recorded_at FROM deliveries d WHERE d.tenant_id = l.tenant_id AND d.created_at = l.delivery_created_at AND d.delivery_id = l.delivery_id), l.delivery_created_at);
ALTER TABLE dead_letters ALTER COLUMN event_recorded_at SET NOT NULL;
CREATE INDEX dead_letters_walk_idx ON dead_letters (webhook_id, event_recorded_at, coalesce(position, 0), delivery_id);

ALTER TABLE resend_parts ADD COLUMN cursor_position integer;
