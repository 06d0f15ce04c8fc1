-- name: claim
-- A lease is free when it ran out, or when the session that took it is gone: its advisory lock is.
UPDATE limosa.chunk
SET owner = %(owner)s, fence = fence + 1, lease_until = clock_timestamp() + make_interval(secs => %(lease_s)s)
WHERE id = (
    SELECT c.id FROM limosa.chunk AS c
    WHERE c.migration = %(migration)s AND c.state = 'open' AND c.follows = %(follows)s
      AND EXISTS (SELECT FROM limosa.migration WHERE id = %(migration)s AND direction = %(direction)s)
      AND (c.lease_until IS NULL OR c.lease_until < clock_timestamp() OR NOT EXISTS (
          SELECT FROM pg_locks AS l
          WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted
            AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND l.classid = (c.owner >> 32)::bigint::oid AND l.objid = (c.owner & 4294967295)::bigint::oid))
      -- One whose job is out rests until somebody is to look; without ``fresh`` one without a job does too.
      AND NOT EXISTS (SELECT FROM limosa.job AS j
          WHERE j.chunk = c.id AND j.state <> 'closed' AND j.next_look > clock_timestamp())
      AND (%(fresh)s OR EXISTS (SELECT FROM limosa.job AS j WHERE j.chunk = c.id AND j.state <> 'closed'))
    ORDER BY c.id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED)
RETURNING id, fence, lower, upper, cursor,
    (SELECT epoch FROM limosa.migration WHERE id = %(migration)s);

-- name: fence
UPDATE limosa.chunk SET lease_until = clock_timestamp() + make_interval(secs => %(lease_s)s)
WHERE id = %(chunk)s AND fence = %(fence)s AND state = 'open' RETURNING 1;

-- name: settle
UPDATE limosa.chunk SET cursor = coalesce(%(cursor)s::text[], cursor),
    done = done + %(done)s, skipped = skipped + %(skipped)s, dead = dead + %(dead)s,
    asked = asked + %(asked)s, tokens = tokens + %(tokens)s, cost_usd = cost_usd + %(cost_usd)s,
    state = CASE WHEN %(finished)s THEN 'done' ELSE state END,
    lease_until = CASE WHEN %(finished)s THEN NULL ELSE lease_until END
WHERE id = %(chunk)s;

-- name: release
UPDATE limosa.chunk SET lease_until = NULL WHERE id = %(chunk)s AND fence = %(fence)s;

-- name: renew
UPDATE limosa.chunk SET lease_until = clock_timestamp() + make_interval(secs => %(lease_s)s)
WHERE owner = %(owner)s AND state = 'open' AND lease_until IS NOT NULL;

-- name: add
INSERT INTO limosa.chunk (migration, lower, upper, cursor)
VALUES (%(migration)s, %(lower)s::text[], %(upper)s::text[], %(lower)s::text[]);

-- name: add_follow
INSERT INTO limosa.chunk (migration, follows) VALUES (%(migration)s, true) ON CONFLICT DO NOTHING;

-- name: frontier
-- The row lock makes one worker cut at a time.
SELECT frontier, top, chunk_rows FROM limosa.migration WHERE id = %(migration)s FOR NO KEY UPDATE;

-- name: advance
UPDATE limosa.migration SET frontier = %(frontier)s::text[] WHERE id = %(migration)s;

-- name: ranges
SELECT lower, upper, cursor, state FROM limosa.chunk WHERE migration = %(migration)s AND NOT follows ORDER BY id;

-- name: numbers
SELECT id, lower, upper FROM limosa.chunk WHERE migration = %(migration)s AND NOT follows ORDER BY id;

-- name: take_fences
-- Before a switch: nobody who works now may write after it.
UPDATE limosa.chunk SET fence = fence + 1, lease_until = NULL, owner = NULL WHERE migration = %(migration)s;

-- name: except
INSERT INTO limosa.exception (migration, key, kind, reason)
SELECT %(migration)s, ARRAY(SELECT jsonb_array_elements_text(e->'key')), %(kind)s, e->>'reason'
FROM jsonb_array_elements(%(rows)s::jsonb) AS e
ON CONFLICT (migration, key) DO UPDATE SET kind = excluded.kind, reason = excluded.reason, changed = now();

-- name: trace
INSERT INTO limosa.trace (migration, key, trace)
SELECT %(migration)s, ARRAY(SELECT jsonb_array_elements_text(e->'key')), e->>'trace'
FROM jsonb_array_elements(%(rows)s::jsonb) AS e
ON CONFLICT (migration, key) DO UPDATE SET trace = excluded.trace;

-- name: forgive
DELETE FROM limosa.exception WHERE migration = %(migration)s AND key IN (
    SELECT ARRAY(SELECT jsonb_array_elements_text(k)) FROM jsonb_array_elements(%(keys)s::jsonb) AS k);

-- name: mark
INSERT INTO limosa.mark (migration, key, mark)
SELECT %(migration)s, ARRAY(SELECT jsonb_array_elements_text(e->'key')), e->>'mark'
FROM jsonb_array_elements(%(rows)s::jsonb) AS e
ON CONFLICT (migration, key) DO UPDATE SET mark = excluded.mark;

-- name: unmark
DELETE FROM limosa.mark WHERE migration = %(migration)s AND key IN (
    SELECT ARRAY(SELECT jsonb_array_elements_text(k)) FROM jsonb_array_elements(%(keys)s::jsonb) AS k);

-- name: touch
INSERT INTO limosa.touched (migration, key)
SELECT %(migration)s, ARRAY(SELECT jsonb_array_elements_text(k)) FROM jsonb_array_elements(%(keys)s::jsonb) AS k
ON CONFLICT DO NOTHING;

-- name: untouch
DELETE FROM limosa.touched WHERE migration = %(migration)s AND key IN (
    SELECT ARRAY(SELECT jsonb_array_elements_text(k)) FROM jsonb_array_elements(%(keys)s::jsonb) AS k);

-- name: touched
SELECT key FROM limosa.touched WHERE migration = %(migration)s LIMIT %(limit)s;

-- name: spent
SELECT coalesce(sum(tokens), 0), coalesce(sum(cost_usd), 0) FROM limosa.chunk WHERE migration = %(migration)s;
