-- At most one of a line is under way. Two that let different deliveries of a line go at the same time (one of them has just
-- come in before the other) each see none under way; here the later fails, and looks again.
CREATE UNIQUE INDEX delivery_queue_under_way_idx ON delivery_queue (webhook_id, order_key) WHERE order_key IS NOT NULL AND due_at < 'infinity';

-- A line may stand still behind several dead letters: one that was skipped, sent again and died again lies before another.
ALTER TABLE order_blocks DROP CONSTRAINT order_blocks_pkey, ADD PRIMARY KEY (webhook_id, order_key, delivery_id);
