-- Spool segments that are being drained, and how far: written in the transaction that stores what was drained.
CREATE TABLE spool_segments (
  segment_id uuid PRIMARY KEY,
  position   bigint NOT NULL,
  updated_at timestamptz(3) NOT NULL
);

-- Acknowledged, and refused by Postgres when it was drained.
CREATE TABLE spool_refused (
  segment_id uuid NOT NULL,
  position   bigint NOT NULL,
  reason     text NOT NULL,
  record     bytea NOT NULL,
  refused_at timestamptz(3) NOT NULL,
  PRIMARY KEY (segment_id, position)
);
