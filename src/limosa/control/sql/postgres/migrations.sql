-- name: exists
-- Where the role may not look, plan says which grant is missing.
SELECT EXISTS (SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = 'limosa' AND c.relname = 'migration'
  AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT'));

-- name: tables
SELECT n.nspname || '.' || c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = 'limosa' AND c.relkind = 'r';

-- name: one_at_a_time
-- Two processes that begin at once wait for each other here.
SELECT pg_advisory_xact_lock(hashtext('limosa.hold'));

-- name: hold
INSERT INTO limosa.migration (id, name, place, shape, job, plan_hash, plan)
VALUES (%(id)s, %(name)s, %(place)s, %(shape)s, %(job)s, %(plan_hash)s, %(plan)s::jsonb)
ON CONFLICT (id) DO NOTHING;

-- name: revive
-- The same job after a rollback starts from the beginning, with its history kept as events.
UPDATE limosa.migration SET active = true, step = 'plan', direction = 'forward', frontier = NULL, top = NULL,
    at_expand = NULL, proofs = NULL, job = %(job)s, plan = %(plan)s::jsonb, plan_hash = %(plan_hash)s,
    created = now(), changed = now()
WHERE id = %(id)s AND NOT active AND step <> 'finish';

-- name: begin_anew
-- What is counted begins at nothing again; before the first step there are no samples but those of an earlier try.
DELETE FROM limosa.sample WHERE migration = %(id)s AND EXISTS (
    SELECT 1 FROM limosa.migration WHERE id = %(id)s AND step = 'plan' AND direction = 'forward' AND at_expand IS NULL);

-- name: holder
SELECT id, name FROM limosa.migration WHERE place = %(place)s AND active;

-- name: get
SELECT id, name, shape, job, plan_hash, plan::text, step, direction, active, epoch, top, at_expand, proofs::text, chunk_rows, created
FROM limosa.migration WHERE id = %(id)s;

-- name: set_step
UPDATE limosa.migration SET step = %(step)s, changed = now() WHERE id = %(id)s;

-- name: turn_back
UPDATE limosa.migration SET direction = 'back', changed = now() WHERE id = %(id)s;

-- name: set_top
UPDATE limosa.migration SET top = %(top)s::text[], at_expand = %(at_expand)s, chunk_rows = %(chunk_rows)s,
    changed = now() WHERE id = %(id)s;

-- name: set_proofs
UPDATE limosa.migration SET proofs = %(proofs)s::jsonb, changed = now() WHERE id = %(id)s;

-- name: raise_epoch
UPDATE limosa.migration SET epoch = epoch + 1, step = %(step)s, changed = now() WHERE id = %(id)s;

-- name: retire
UPDATE limosa.migration SET active = false, step = %(step)s, changed = now() WHERE id = %(id)s;

-- name: sweep_chunks
DELETE FROM limosa.chunk WHERE migration = %(id)s;

-- name: sweep_jobs
DELETE FROM limosa.job WHERE migration = %(id)s;

-- name: sweep_exceptions
DELETE FROM limosa.exception WHERE migration = %(id)s;

-- name: sweep_traces
DELETE FROM limosa.trace WHERE migration = %(id)s;

-- name: sweep_marks
DELETE FROM limosa.mark WHERE migration = %(id)s;

-- name: sweep_changes
DELETE FROM limosa.change WHERE migration = %(id)s;

-- name: sweep_touched
DELETE FROM limosa.touched WHERE migration = %(id)s;

-- name: sweep_wishes
DELETE FROM limosa.wish WHERE migration = %(id)s;

-- name: sweep_operations
DELETE FROM limosa.operation WHERE migration = %(id)s;

-- name: operations
SELECT id, state FROM limosa.operation WHERE migration = %(id)s ORDER BY position;

-- name: switched_at
-- Noted in the transaction that switched.
SELECT changed FROM limosa.operation WHERE migration = %(id)s AND id = 'switch' AND state = 'done';

-- name: note_operation
INSERT INTO limosa.operation (migration, id, position, state) VALUES (%(id)s, %(operation)s, %(position)s, %(state)s)
ON CONFLICT (migration, id) DO UPDATE SET state = excluded.state, changed = now();

-- name: tell
INSERT INTO limosa.event (migration, kind, detail) VALUES (%(id)s, %(kind)s, %(detail)s);

-- name: events
SELECT at, kind, detail FROM limosa.event WHERE migration = %(id)s ORDER BY id DESC LIMIT %(limit)s;

-- name: know_space
INSERT INTO limosa.space (fingerprint, title, description) VALUES (%(fingerprint)s, %(title)s, %(description)s::jsonb)
ON CONFLICT DO NOTHING;

-- name: tally
-- A lease without the advisory lock of its process is a dead process's; a process holds its lock from start to end.
SELECT coalesce(sum(done), 0), coalesce(sum(skipped), 0), coalesce(sum(dead), 0), coalesce(sum(asked), 0),
    coalesce(sum(tokens), 0),
    coalesce(sum(cost_usd), 0), count(*) FILTER (WHERE state = 'done' AND NOT follows),
    count(*) FILTER (WHERE state = 'open' AND NOT follows),
    count(*) FILTER (WHERE state = 'open' AND lease_until > clock_timestamp() AND owner IN (
        SELECT (l.classid::bigint << 32) | l.objid::bigint FROM pg_locks AS l
        WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted
          AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()))),
    (SELECT count(DISTINCT l.pid) FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
     WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted AND a.application_name = 'limosa'
       AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()))
FROM limosa.chunk WHERE migration = %(id)s;

-- name: versions
SELECT 'Postgres', current_setting('server_version')
UNION ALL SELECT 'pgvector', extversion FROM pg_extension WHERE extname = 'vector';

-- name: size
-- Its size is a sum over every file of the database: too much for each look.
SELECT NULL::bigint;

-- name: exceptions
SELECT kind, reason, count(*), (array_agg(key ORDER BY key))[1:3] FROM limosa.exception
WHERE migration = %(id)s GROUP BY kind, reason ORDER BY kind, count(*) DESC;

-- name: marks
SELECT mark, count(*), (array_agg(key ORDER BY key))[1:3] FROM limosa.mark
WHERE migration = %(id)s GROUP BY mark ORDER BY mark;

-- name: changes_outstanding
SELECT count(*) FROM limosa.change WHERE migration = %(id)s;
