-- What leaves as files shows sensitive fields as the API does to a key that may not see them. A file outlives keys and scopes,
-- so here the masking is part of reading, in one place for everybody who writes files.

-- The text of a JSON value in which all that the paths lead to is masked. Each path is what remains of a JSON pointer at this
-- place, '/name…', with * for any element or name; a name that stands there several times is masked each time.
CREATE FUNCTION masked_below(value json, paths text[]) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  is_object boolean := json_typeof(value) = 'object';
  child record;
  rests text[];
  parts text[] := '{}';
BEGIN
  IF NOT is_object AND json_typeof(value) <> 'array' THEN
    RETURN value::text;
  END IF;
  FOR child IN
    SELECT m.key AS name, m.value AS inside FROM json_each(CASE WHEN is_object THEN value ELSE '{}' END) m
    UNION ALL
    SELECT (e.place - 1)::text, e.inside FROM json_array_elements(CASE WHEN is_object THEN '[]' ELSE value END) WITH ORDINALITY AS e(inside, place)
  LOOP
    SELECT array_agg(substr(path, length(part) + 2)) INTO rests
      FROM unnest(paths) AS path, split_part(path, '/', 2) AS part
     WHERE part = '*' OR replace(replace(part, '~1', '/'), '~0', '~') = child.name;
    parts := parts || (CASE WHEN is_object THEN to_json(child.name)::text || ':' ELSE '' END ||
      CASE WHEN rests IS NULL THEN child.inside::text WHEN '' = ANY (rests) THEN '"********"' ELSE masked_below(child.inside, rests) END);
  END LOOP;
  RETURN CASE WHEN is_object THEN '{' || array_to_string(parts, ',') || '}' ELSE '[' || array_to_string(parts, ',') || ']' END;
END $$;

-- The same for a whole document. One that cannot be taken apart (half a surrogate pair, from before they were refused) is
-- masked as a whole, rather than shown or have an export fail over it.
CREATE FUNCTION masked(document json, paths text[]) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  RETURN masked_below(document, paths);
EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
  RETURN '"********"';
END $$;
