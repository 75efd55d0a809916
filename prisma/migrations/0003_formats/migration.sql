-- How a webhook wants its bodies. The options are JSON, sealed, because one of them is a key; null when there are none.
ALTER TABLE webhooks
  ADD COLUMN format         text NOT NULL DEFAULT 'lakehook',
  ADD COLUMN format_options text;
