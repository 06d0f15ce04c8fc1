-- name: note
-- Sums over every chunk: whoever notes them, they are those of all workers.
INSERT INTO limosa.sample (migration, began, at, done, skipped, dead, followed, asked, tokens, cost_usd, writes, requests)
SELECT %(migration)s, statement_timestamp() - make_interval(secs => %(elapsed_s)s), statement_timestamp(),
    coalesce(sum(done), 0), coalesce(sum(skipped), 0), coalesce(sum(dead), 0),
    coalesce(sum(done + skipped + dead) FILTER (WHERE follows), 0), coalesce(sum(asked), 0),
    coalesce(sum(tokens), 0), coalesce(sum(cost_usd), 0), %(writes)s, %(requests)s
FROM limosa.chunk WHERE migration = %(migration)s;

-- name: count
SELECT count(*) FROM limosa.sample WHERE migration = %(migration)s;

-- name: all
SELECT id, began, at, done, skipped, dead, followed, asked, tokens, cost_usd, writes, requests
FROM limosa.sample WHERE migration = %(migration)s ORDER BY at, id;

-- name: drop
DELETE FROM limosa.sample WHERE id = %(id)s;

-- name: put
INSERT INTO limosa.sample (migration, began, at, done, skipped, dead, followed, asked, tokens, cost_usd, writes, requests)
VALUES (%(migration)s, to_timestamp(%(began_s)s), to_timestamp(%(at_s)s), %(done)s, %(skipped)s, %(dead)s,
    %(followed)s, %(asked)s, %(tokens)s, %(cost_usd)s, %(writes)s, %(requests)s);
