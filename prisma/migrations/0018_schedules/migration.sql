-- Exports that are made again and again. Whoever starts what is due holds the schedule's row, and writes the run, its export and
-- when it is due next in one transaction.

CREATE TABLE schedules (
  schedule_id    uuid PRIMARY KEY,
  tenant_id      uuid NOT NULL,
  name           text NOT NULL,
  -- `daily`, `weekly`, `monthly`, or a cron expression.
  cadence        text NOT NULL,
  at             text,
  weekday        text,
  day_of_month   smallint CHECK (day_of_month BETWEEN 1 AND 31),
  timezone       text NOT NULL,
  window_kind    text NOT NULL CHECK (window_kind IN ('previous_period', 'all')),
  options        jsonb NOT NULL,
  -- As in the options.
  destination_id uuid,
  is_active      boolean NOT NULL,
  -- When it is due next, and from when on that may start: later, where its days are not over or a try has failed. Null while it is not active, and once it is due no more.
  due_at         timestamptz(3),
  starts_at      timestamptz(3),
  -- Of its last run: the next one starts when that has ended.
  export_id      uuid,
  created_at     timestamptz(3) NOT NULL,
  updated_at     timestamptz(3) NOT NULL,
  CHECK ((due_at IS NULL) = (starts_at IS NULL)),
  CHECK (is_active OR due_at IS NULL),
  FOREIGN KEY (tenant_id, destination_id) REFERENCES destinations (tenant_id, destination_id)
);
CREATE INDEX schedules_tenant_id_schedule_id_idx ON schedules (tenant_id, schedule_id);
CREATE INDEX schedules_starts_at_idx ON schedules (starts_at) WHERE starts_at IS NOT NULL;

CREATE TABLE schedule_runs (
  run_id      uuid PRIMARY KEY,
  schedule_id uuid NOT NULL REFERENCES schedules ON DELETE CASCADE ON UPDATE CASCADE,
  -- Null: out of turn.
  due_at      timestamptz(3),
  from_day    date NOT NULL,
  to_day      date NOT NULL CHECK (to_day > from_day),
  export_id   uuid NOT NULL,
  -- Why there is no such export.
  error       text,
  created_at  timestamptz(3) NOT NULL,
  UNIQUE (schedule_id, due_at)
);
CREATE INDEX schedule_runs_schedule_id_created_at_run_id_idx ON schedule_runs (schedule_id, created_at, run_id);
