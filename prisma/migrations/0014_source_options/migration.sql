-- Requests that were believed, and refused by the schemas of their types, wait in quarantine too.
ALTER TABLE quarantined_requests
  DROP CONSTRAINT quarantined_requests_reason_check,
  ADD CONSTRAINT quarantined_requests_reason_check CHECK (reason IN ('missing', 'malformed', 'stale', 'mismatch', 'invalid')),
  ADD COLUMN repeat_sha256 bytea;
-- What its sender tries again is there once.
CREATE UNIQUE INDEX quarantined_requests_source_id_repeat_sha256_key ON quarantined_requests (source_id, repeat_sha256);
