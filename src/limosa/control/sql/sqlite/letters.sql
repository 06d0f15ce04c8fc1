-- name: page
-- One page of the primary key's index, in its order; no key is below the empty one.
SELECT key, kind, reason, changed FROM limosa_exception
WHERE migration = %(migration)s AND key > coalesce(%(after)s, '')
  AND (%(kind)s IS NULL OR kind = %(kind)s) AND (%(reason)s IS NULL OR reason = %(reason)s)
ORDER BY key LIMIT %(rows)s;

-- name: reasons
-- The whole reason before its beginning, its beginning before a part of it.
SELECT reason, count(*), CASE instr(reason, %(text)s) WHEN 1 THEN reason <> %(text)s ELSE 2 END AS rank
FROM limosa_exception WHERE migration = %(migration)s AND instr(reason, %(text)s) > 0
GROUP BY reason ORDER BY rank, count(*) DESC, reason LIMIT %(rows)s;

-- name: known
SELECT key FROM limosa_exception WHERE migration = %(migration)s AND key IN (
    SELECT k.value FROM json_each(%(keys)s) AS k);

-- name: queue
INSERT INTO limosa_change (migration, key) SELECT %(migration)s, k.value FROM json_each(%(keys)s) AS k;
