-- Event types and the versions of their schemas -------------------------------------------------------------------
-- Names compare byte by byte, so that a page of them ends where the server thinks it does. `json` keeps a schema as it was sent.

CREATE TABLE event_types (
  tenant_id          uuid NOT NULL,
  name               text COLLATE "C" NOT NULL,
  description        text NOT NULL,
  contains_sensitive text[] NOT NULL,
  compatibility      text NOT NULL CHECK (compatibility IN ('backward', 'forward', 'full', 'none')),
  created_at         timestamptz(3) NOT NULL DEFAULT now(),
  updated_at         timestamptz(3) NOT NULL DEFAULT now(),
  archived_at        timestamptz(3),
  PRIMARY KEY (tenant_id, name)
);

CREATE TABLE event_type_versions (
  tenant_id     uuid NOT NULL,
  name          text COLLATE "C" NOT NULL,
  version       integer NOT NULL,
  schema        json NOT NULL,
  status        text NOT NULL CHECK (status IN ('ACTIVE', 'INACTIVE')),
  compatibility text NOT NULL CHECK (compatibility IN ('backward', 'forward', 'full', 'none')),
  created_at    timestamptz(3) NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, name, version)
);

-- Counts the changes to a tenant's types: what the caches of all processes look at, and where changes wait for each other.
CREATE TABLE event_catalogues (
  tenant_id uuid PRIMARY KEY,
  revision  bigint NOT NULL
);
