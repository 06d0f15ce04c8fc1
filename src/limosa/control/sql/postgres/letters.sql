-- name: page
-- One page of the primary key's index, in its order; no key is below the empty one.
SELECT key, kind, reason, changed FROM limosa.exception
WHERE migration = %(migration)s AND key > coalesce(%(after)s::text[], '{}')
  AND (%(kind)s::text IS NULL OR kind = %(kind)s::text) AND (%(reason)s::text IS NULL OR reason = %(reason)s::text)
ORDER BY key LIMIT %(rows)s;

-- name: reasons
-- The whole reason before its beginning, its beginning before a part of it.
SELECT reason, count(*), CASE WHEN reason = %(text)s THEN 0 WHEN starts_with(reason, %(text)s) THEN 1 ELSE 2 END AS rank
FROM limosa.exception WHERE migration = %(migration)s AND strpos(reason, %(text)s) > 0
GROUP BY reason ORDER BY rank, count(*) DESC, reason LIMIT %(rows)s;

-- name: known
SELECT key FROM limosa.exception WHERE migration = %(migration)s AND key IN (
    SELECT ARRAY(SELECT jsonb_array_elements_text(k)) FROM jsonb_array_elements(%(keys)s::jsonb) AS k);

-- name: queue
INSERT INTO limosa.change (migration, key)
SELECT %(migration)s, ARRAY(SELECT jsonb_array_elements_text(k)) FROM jsonb_array_elements(%(keys)s::jsonb) AS k;
