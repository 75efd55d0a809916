-- What operators steer while it runs -----------------------------------------------------------------------------

-- Whether fan-out goes on, and at which pace what a pause left is worked off. One row, obeyed by every process.
CREATE TABLE processing (
  processing_id     smallint PRIMARY KEY DEFAULT 1 CHECK (processing_id = 1),
  paused            boolean NOT NULL DEFAULT false,
  reason            text,
  events_per_second integer CHECK (events_per_second > 0),
  free_at           timestamptz(3),
  changed_at        timestamptz(3)
);
INSERT INTO processing DEFAULT VALUES;

-- How far features are rolled out, where it is not as far as they are declared.
CREATE TABLE features (
  name       text PRIMARY KEY,
  percentage integer NOT NULL CHECK (percentage BETWEEN 0 AND 100),
  note       text,
  changed_at timestamptz(3) NOT NULL
);

-- How many events a key may publish.
ALTER TABLE api_keys ADD COLUMN rate_limit jsonb;

-- Operators are those who may make tenants.
UPDATE api_keys SET scopes = scopes || '{operations:read,operations:write}' WHERE 'tenants:write' = ANY(scopes);
