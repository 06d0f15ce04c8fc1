-- name: exists
SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'limosa_migration');

-- name: tables
SELECT name FROM sqlite_master WHERE type = 'table';

-- name: one_at_a_time
-- A transaction that may write is the only one of its kind.
SELECT 1;

-- name: hold
INSERT INTO limosa_migration (id, name, place, shape, job, plan_hash, plan)
VALUES (%(id)s, %(name)s, %(place)s, %(shape)s, %(job)s, %(plan_hash)s, %(plan)s)
ON CONFLICT (id) DO NOTHING;

-- name: revive
-- The same job after a rollback starts from the beginning, with its history kept as events.
UPDATE limosa_migration SET active = 1, step = 'plan', direction = 'forward', frontier = NULL, top = NULL,
    at_expand = NULL, proofs = NULL, job = %(job)s, plan = %(plan)s, plan_hash = %(plan_hash)s,
    created = (julianday('now') - 2440587.5) * 86400.0, changed = (julianday('now') - 2440587.5) * 86400.0
WHERE id = %(id)s AND active = 0 AND step <> 'finish';

-- name: begin_anew
-- What is counted begins at nothing again; before the first step there are no samples but those of an earlier try.
DELETE FROM limosa_sample WHERE migration = %(id)s AND EXISTS (
    SELECT 1 FROM limosa_migration WHERE id = %(id)s AND step = 'plan' AND direction = 'forward' AND at_expand IS NULL);

-- name: holder
SELECT id, name FROM limosa_migration WHERE place = %(place)s AND active = 1;

-- name: get
SELECT id, name, shape, job, plan_hash, plan, step, direction, active, epoch, top, at_expand, proofs, chunk_rows, created
FROM limosa_migration WHERE id = %(id)s;

-- name: set_step
UPDATE limosa_migration SET step = %(step)s, changed = (julianday('now') - 2440587.5) * 86400.0 WHERE id = %(id)s;

-- name: turn_back
UPDATE limosa_migration SET direction = 'back', changed = (julianday('now') - 2440587.5) * 86400.0 WHERE id = %(id)s;

-- name: set_top
UPDATE limosa_migration SET top = %(top)s, at_expand = %(at_expand)s, chunk_rows = %(chunk_rows)s,
    changed = (julianday('now') - 2440587.5) * 86400.0 WHERE id = %(id)s;

-- name: set_proofs
UPDATE limosa_migration SET proofs = %(proofs)s, changed = (julianday('now') - 2440587.5) * 86400.0 WHERE id = %(id)s;

-- name: raise_epoch
UPDATE limosa_migration SET epoch = epoch + 1, step = %(step)s, changed = (julianday('now') - 2440587.5) * 86400.0
WHERE id = %(id)s;

-- name: retire
UPDATE limosa_migration SET active = 0, step = %(step)s, changed = (julianday('now') - 2440587.5) * 86400.0
WHERE id = %(id)s;

-- name: sweep_chunks
DELETE FROM limosa_chunk WHERE migration = %(id)s;

-- name: sweep_jobs
DELETE FROM limosa_job WHERE migration = %(id)s;

-- name: sweep_exceptions
DELETE FROM limosa_exception WHERE migration = %(id)s;

-- name: sweep_traces
DELETE FROM limosa_trace WHERE migration = %(id)s;

-- name: sweep_marks
DELETE FROM limosa_mark WHERE migration = %(id)s;

-- name: sweep_changes
DELETE FROM limosa_change WHERE migration = %(id)s;

-- name: sweep_touched
DELETE FROM limosa_touched WHERE migration = %(id)s;

-- name: sweep_wishes
DELETE FROM limosa_wish WHERE migration = %(id)s;

-- name: sweep_operations
DELETE FROM limosa_operation WHERE migration = %(id)s;

-- name: operations
SELECT id, state FROM limosa_operation WHERE migration = %(id)s ORDER BY position;

-- name: switched_at
-- Noted in the transaction that switched.
SELECT changed FROM limosa_operation WHERE migration = %(id)s AND id = 'switch' AND state = 'done';

-- name: note_operation
INSERT INTO limosa_operation (migration, id, position, state) VALUES (%(id)s, %(operation)s, %(position)s, %(state)s)
ON CONFLICT (migration, id) DO UPDATE SET state = excluded.state, changed = excluded.changed;

-- name: tell
INSERT INTO limosa_event (migration, kind, detail) VALUES (%(id)s, %(kind)s, %(detail)s);

-- name: events
SELECT at, kind, detail FROM limosa_event WHERE migration = %(id)s ORDER BY id DESC LIMIT %(limit)s;

-- name: know_space
INSERT INTO limosa_space (fingerprint, title, description) VALUES (%(fingerprint)s, %(title)s, %(description)s)
ON CONFLICT DO NOTHING;

-- name: tally
-- Nothing is embedded here, so that no text is asked for.
SELECT coalesce(sum(done), 0), coalesce(sum(skipped), 0), coalesce(sum(dead), 0), 0, coalesce(sum(tokens), 0),
    coalesce(sum(cost_usd), 0), count(*) FILTER (WHERE state = 'done' AND follows = 0),
    count(*) FILTER (WHERE state = 'open' AND follows = 0),
    count(*) FILTER (WHERE state = 'open' AND lease_until > (julianday('now') - 2440587.5) * 86400.0),
    count(DISTINCT CASE WHEN state = 'open' AND lease_until > (julianday('now') - 2440587.5) * 86400.0 THEN owner END)
FROM limosa_chunk WHERE migration = %(id)s;

-- name: versions
SELECT 'SQLite', sqlite_version();

-- name: size
SELECT p.page_count * s.page_size FROM pragma_page_count() AS p, pragma_page_size() AS s;

-- name: exceptions
SELECT x.kind, x.reason, count(*), (
    SELECT json_group_array(json(y.key)) FROM (
        SELECT key FROM limosa_exception
        WHERE migration = x.migration AND kind = x.kind AND reason = x.reason ORDER BY key LIMIT 3) AS y)
FROM limosa_exception AS x
WHERE x.migration = %(id)s GROUP BY x.kind, x.reason ORDER BY x.kind, count(*) DESC;

-- name: marks
SELECT x.mark, count(*), (
    SELECT json_group_array(json(y.key)) FROM (
        SELECT key FROM limosa_mark WHERE migration = x.migration AND mark = x.mark ORDER BY key LIMIT 3) AS y)
FROM limosa_mark AS x WHERE x.migration = %(id)s GROUP BY x.mark ORDER BY x.mark;

-- name: changes_outstanding
SELECT count(*) FROM limosa_change WHERE migration = %(id)s;
