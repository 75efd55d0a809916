-- Where exports are written to, beside the house's own disk. Whoever refers to one does it by both columns of the second key, so
-- that nothing leads to another tenant's.
CREATE TABLE destinations (
  destination_id         uuid PRIMARY KEY,
  tenant_id              uuid NOT NULL,
  name                   text NOT NULL,
  type                   text NOT NULL CHECK (type IN ('s3', 'disk')),
  bucket                 text CHECK ((bucket IS NOT NULL) = (type = 's3')),
  prefix                 text NOT NULL,
  region                 text CHECK ((region IS NOT NULL) = (type = 's3')),
  endpoint               text,
  path_style             boolean,
  server_side_encryption jsonb,
  -- Sealed. Null: those of the machine.
  credentials            text,
  created_at             timestamptz(3) NOT NULL,
  updated_at             timestamptz(3) NOT NULL,
  UNIQUE (tenant_id, destination_id)
);
