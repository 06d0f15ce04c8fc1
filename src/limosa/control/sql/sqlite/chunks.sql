-- name: claim
-- One writer at a time: nobody else is between this statement's question and its answer.
UPDATE limosa_chunk
SET owner = %(owner)s, fence = fence + 1, lease_until = (julianday('now') - 2440587.5) * 86400.0 + %(lease_s)s
WHERE id = (
    SELECT c.id FROM limosa_chunk AS c
    WHERE c.migration = %(migration)s AND c.state = 'open' AND c.follows = %(follows)s
      AND EXISTS (SELECT 1 FROM limosa_migration WHERE id = %(migration)s AND direction = %(direction)s)
      AND (c.lease_until IS NULL OR c.lease_until < (julianday('now') - 2440587.5) * 86400.0)
      -- One whose job is out rests until somebody is to look; without ``fresh`` one without a job does too.
      AND NOT EXISTS (SELECT 1 FROM limosa_job AS j
          WHERE j.chunk = c.id AND j.state <> 'closed' AND j.next_look > (julianday('now') - 2440587.5) * 86400.0)
      AND (%(fresh)s OR EXISTS (SELECT 1 FROM limosa_job AS j WHERE j.chunk = c.id AND j.state <> 'closed'))
    ORDER BY c.id LIMIT 1)
RETURNING id, fence, lower, upper, cursor,
    (SELECT epoch FROM limosa_migration WHERE id = %(migration)s);

-- name: fence
UPDATE limosa_chunk SET lease_until = (julianday('now') - 2440587.5) * 86400.0 + %(lease_s)s
WHERE id = %(chunk)s AND fence = %(fence)s AND state = 'open' RETURNING 1;

-- name: settle
UPDATE limosa_chunk SET cursor = coalesce(%(cursor)s, cursor),
    done = done + %(done)s, skipped = skipped + %(skipped)s, dead = dead + %(dead)s,
    tokens = tokens + %(tokens)s, cost_usd = cost_usd + %(cost_usd)s,
    state = CASE WHEN %(finished)s THEN 'done' ELSE state END,
    lease_until = CASE WHEN %(finished)s THEN NULL ELSE lease_until END
WHERE id = %(chunk)s;

-- name: release
UPDATE limosa_chunk SET lease_until = NULL WHERE id = %(chunk)s AND fence = %(fence)s;

-- name: renew
UPDATE limosa_chunk SET lease_until = (julianday('now') - 2440587.5) * 86400.0 + %(lease_s)s
WHERE owner = %(owner)s AND state = 'open' AND lease_until IS NOT NULL;

-- name: add
INSERT INTO limosa_chunk (migration, lower, upper, cursor)
VALUES (%(migration)s, %(lower)s, %(upper)s, %(lower)s);

-- name: add_follow
INSERT INTO limosa_chunk (migration, follows) VALUES (%(migration)s, 1) ON CONFLICT DO NOTHING;

-- name: frontier
SELECT frontier, top, chunk_rows FROM limosa_migration WHERE id = %(migration)s;

-- name: advance
UPDATE limosa_migration SET frontier = %(frontier)s WHERE id = %(migration)s;

-- name: ranges
SELECT lower, upper, cursor, state FROM limosa_chunk WHERE migration = %(migration)s AND follows = 0 ORDER BY id;

-- name: numbers
SELECT id, lower, upper FROM limosa_chunk WHERE migration = %(migration)s AND follows = 0 ORDER BY id;

-- name: take_fences
-- Before a switch: nobody who works now may write after it.
UPDATE limosa_chunk SET fence = fence + 1, lease_until = NULL, owner = NULL WHERE migration = %(migration)s;

-- name: except
INSERT INTO limosa_exception (migration, key, kind, reason)
SELECT %(migration)s, json_extract(e.value, '$.key'), %(kind)s, json_extract(e.value, '$.reason')
FROM json_each(%(rows)s) AS e WHERE true
ON CONFLICT (migration, key) DO UPDATE SET kind = excluded.kind, reason = excluded.reason, changed = excluded.changed;

-- name: trace
INSERT INTO limosa_trace (migration, key, trace)
SELECT %(migration)s, json_extract(e.value, '$.key'), json_extract(e.value, '$.trace')
FROM json_each(%(rows)s) AS e WHERE true
ON CONFLICT (migration, key) DO UPDATE SET trace = excluded.trace;

-- name: forgive
DELETE FROM limosa_exception WHERE migration = %(migration)s AND key IN (SELECT k.value FROM json_each(%(keys)s) AS k);

-- name: mark
INSERT INTO limosa_mark (migration, key, mark)
SELECT %(migration)s, json_extract(e.value, '$.key'), json_extract(e.value, '$.mark')
FROM json_each(%(rows)s) AS e WHERE true
ON CONFLICT (migration, key) DO UPDATE SET mark = excluded.mark;

-- name: unmark
DELETE FROM limosa_mark WHERE migration = %(migration)s AND key IN (SELECT k.value FROM json_each(%(keys)s) AS k);

-- name: touch
INSERT INTO limosa_touched (migration, key)
SELECT %(migration)s, k.value FROM json_each(%(keys)s) AS k WHERE true
ON CONFLICT DO NOTHING;

-- name: untouch
DELETE FROM limosa_touched WHERE migration = %(migration)s AND key IN (SELECT k.value FROM json_each(%(keys)s) AS k);

-- name: touched
SELECT key FROM limosa_touched WHERE migration = %(migration)s LIMIT %(limit)s;

-- name: spent
SELECT coalesce(sum(tokens), 0), coalesce(sum(cost_usd), 0) FROM limosa_chunk WHERE migration = %(migration)s;
