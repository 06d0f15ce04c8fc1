-- name: note
-- Sums over every chunk: whoever notes them, they are those of all workers. Nothing is embedded here.
INSERT INTO limosa_sample (migration, began, at, done, skipped, dead, followed, asked, tokens, cost_usd, writes, requests)
SELECT %(migration)s, (julianday('now') - 2440587.5) * 86400.0 - %(elapsed_s)s,
    (julianday('now') - 2440587.5) * 86400.0,
    coalesce(sum(done), 0), coalesce(sum(skipped), 0), coalesce(sum(dead), 0),
    coalesce(sum(done + skipped + dead) FILTER (WHERE follows = 1), 0), 0,
    coalesce(sum(tokens), 0), coalesce(sum(cost_usd), 0), %(writes)s, %(requests)s
FROM limosa_chunk WHERE migration = %(migration)s;

-- name: count
SELECT count(*) FROM limosa_sample WHERE migration = %(migration)s;

-- name: all
SELECT id, began, at, done, skipped, dead, followed, asked, tokens, cost_usd, writes, requests
FROM limosa_sample WHERE migration = %(migration)s ORDER BY at, id;

-- name: drop
DELETE FROM limosa_sample WHERE id = %(id)s;

-- name: put
INSERT INTO limosa_sample (migration, began, at, done, skipped, dead, followed, asked, tokens, cost_usd, writes, requests)
VALUES (%(migration)s, %(began_s)s, %(at_s)s, %(done)s, %(skipped)s, %(dead)s,
    %(followed)s, %(asked)s, %(tokens)s, %(cost_usd)s, %(writes)s, %(requests)s);
