-- Exports of datasets as files. Who works one holds its lease and writes only under its claim; what it has staged is on record
-- here, so that another goes on from there.

CREATE TABLE exports (
  export_id      uuid PRIMARY KEY,
  tenant_id      uuid NOT NULL,
  dataset        text NOT NULL,
  format         text NOT NULL CHECK (format IN ('csv', 'json', 'parquet')),
  compression    text NOT NULL CHECK (compression IN ('none', 'gzip', 'zstd', 'snappy')),
  formula_safe   boolean NOT NULL,
  from_day       date NOT NULL,
  to_day         date NOT NULL CHECK (to_day > from_day),
  partition_by   text[] NOT NULL,
  -- Empty: all.
  columns        text[] NOT NULL,
  filter         jsonb,
  target         text NOT NULL CHECK (target IN ('lake', 'private')),
  destination_id uuid,
  prefix         text NOT NULL,
  -- Tenant, destination and prefix of a shared lake.
  lake_key       text CHECK ((lake_key IS NOT NULL) = (target = 'lake')),
  status         text NOT NULL CHECK (status IN ('queued', 'running', 'publishing', 'succeeded', 'failed', 'cancelled', 'deleting')),
  -- Of an export that ended without success: files are staged that are still to be discarded.
  leftovers      boolean NOT NULL DEFAULT false,
  claimed_by     uuid,
  lease_until    timestamptz(3),
  run_at         timestamptz(3) NOT NULL,
  failures       integer NOT NULL DEFAULT 0,
  total_rows     bigint,
  row_count      bigint NOT NULL DEFAULT 0,
  read_bytes     bigint NOT NULL DEFAULT 0,
  byte_count     bigint NOT NULL DEFAULT 0,
  unchanged      boolean NOT NULL DEFAULT false,
  snapshot_at    timestamptz(3),
  error          text,
  created_at     timestamptz(3) NOT NULL,
  started_at     timestamptz(3),
  finished_at    timestamptz(3),
  FOREIGN KEY (tenant_id, destination_id) REFERENCES destinations (tenant_id, destination_id)
);
CREATE INDEX exports_tenant_id_created_at_export_id_idx ON exports (tenant_id, created_at, export_id);
CREATE INDEX exports_tenant_id_started_at_idx ON exports (tenant_id, started_at);
CREATE INDEX exports_run_at_idx ON exports (run_at) WHERE status IN ('queued', 'running', 'publishing', 'deleting') OR leftovers;
-- One at a time changes a lake: what it reads of the manifest holds until it has written the next one.
CREATE UNIQUE INDEX exports_lake_key_key ON exports (lake_key) WHERE status IN ('running', 'publishing', 'deleting');
CREATE INDEX exports_lake_key_idx ON exports (lake_key, finished_at);

CREATE TABLE export_files (
  export_id   uuid NOT NULL REFERENCES exports ON DELETE CASCADE ON UPDATE CASCADE,
  -- Below the destination's root.
  key         text COLLATE "C" NOT NULL,
  partition   text COLLATE "C" NOT NULL,
  -- `kept`: it was there already, as this export would have written it.
  state       text NOT NULL CHECK (state IN ('staged', 'published', 'kept')),
  fingerprint text NOT NULL,
  bytes       bigint NOT NULL,
  sha256      text NOT NULL,
  rows        bigint NOT NULL,
  sums        jsonb NOT NULL,
  token       text,
  etag        text,
  PRIMARY KEY (export_id, key)
);
