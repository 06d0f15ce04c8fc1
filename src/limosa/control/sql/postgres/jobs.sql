-- name: intend
-- Before a provider is told of it: whoever takes the chunk over finds the tag.
INSERT INTO limosa.job (migration, chunk, upto, tag, texts, tokens, cost_usd, before_usd)
SELECT %(migration)s, c.id, %(upto)s::text[], %(tag)s, %(texts)s, %(tokens)s, %(cost_usd)s, c.cost_usd
FROM limosa.chunk AS c WHERE c.id = %(chunk)s;

-- name: intend_again
-- The same texts once more, as far as they are missing.
UPDATE limosa.job SET tag = %(tag)s, job = NULL, state = 'sending', tries = tries + %(counts)s, texts = %(texts)s,
    tokens = %(tokens)s, cost_usd = %(cost_usd)s, reason = '', submitted = clock_timestamp(), next_look = clock_timestamp(),
    before_usd = (SELECT c.cost_usd FROM limosa.chunk AS c WHERE c.id = limosa.job.chunk)
WHERE tag = %(old)s;

-- name: note
UPDATE limosa.job SET job = coalesce(%(job)s, job), state = %(state)s, reason = %(reason)s WHERE tag = %(tag)s;

-- name: fetched
UPDATE limosa.job SET state = 'fetched', reason = %(reason)s, tokens = %(tokens)s, cost_usd = %(cost_usd)s WHERE tag = %(tag)s;

-- name: park
UPDATE limosa.job SET next_look = clock_timestamp() + make_interval(secs => %(pause_s)s) WHERE chunk = %(chunk)s AND state <> 'closed';

-- name: wake
UPDATE limosa.job SET next_look = clock_timestamp() WHERE migration = %(migration)s AND state IN ('sending', 'out');

-- name: of_chunk
SELECT tag, job, state, upto, tries, reason, extract(epoch FROM submitted)::double precision, extract(epoch FROM clock_timestamp() - submitted)::double precision
FROM limosa.job WHERE chunk = %(chunk)s AND state <> 'closed' ORDER BY id;

-- name: out
SELECT count(*), coalesce(sum(texts), 0), max(extract(epoch FROM clock_timestamp() - submitted)::double precision), min(extract(epoch FROM next_look)::double precision - extract(epoch FROM clock_timestamp())::double precision)
FROM limosa.job WHERE migration = %(migration)s AND state IN ('sending', 'out', 'cancelling');

-- name: promised
-- What jobs cost beyond what their chunks have told since they were sent.
SELECT coalesce(sum(greatest(0.0, j.cost_usd - (c.cost_usd - j.before_usd))), 0.0)
FROM limosa.job AS j JOIN limosa.chunk AS c ON c.id = j.chunk
WHERE j.migration = %(migration)s AND j.state <> 'closed';

-- name: settled
SELECT j.tag, j.job FROM limosa.job AS j JOIN limosa.chunk AS c ON c.id = j.chunk
WHERE j.migration = %(migration)s AND j.state <> 'closed' AND c.state = 'done' ORDER BY j.id;

-- name: left
SELECT tag, job, extract(epoch FROM submitted)::double precision FROM limosa.job WHERE migration = %(migration)s AND state <> 'closed' ORDER BY id;
