-- name: intend
-- Before a provider is told of it: whoever takes the chunk over finds the tag.
INSERT INTO limosa_job (migration, chunk, upto, tag, texts, tokens, cost_usd, before_usd)
SELECT %(migration)s, c.id, %(upto)s, %(tag)s, %(texts)s, %(tokens)s, %(cost_usd)s, c.cost_usd
FROM limosa_chunk AS c WHERE c.id = %(chunk)s;

-- name: intend_again
-- The same texts once more, as far as they are missing.
UPDATE limosa_job SET tag = %(tag)s, job = NULL, state = 'sending', tries = tries + %(counts)s, texts = %(texts)s,
    tokens = %(tokens)s, cost_usd = %(cost_usd)s, reason = '', submitted = (julianday('now') - 2440587.5) * 86400.0, next_look = (julianday('now') - 2440587.5) * 86400.0,
    before_usd = (SELECT c.cost_usd FROM limosa_chunk AS c WHERE c.id = limosa_job.chunk)
WHERE tag = %(old)s;

-- name: note
UPDATE limosa_job SET job = coalesce(%(job)s, job), state = %(state)s, reason = %(reason)s WHERE tag = %(tag)s;

-- name: fetched
UPDATE limosa_job SET state = 'fetched', reason = %(reason)s, tokens = %(tokens)s, cost_usd = %(cost_usd)s WHERE tag = %(tag)s;

-- name: park
UPDATE limosa_job SET next_look = (julianday('now') - 2440587.5) * 86400.0 + %(pause_s)s WHERE chunk = %(chunk)s AND state <> 'closed';

-- name: wake
UPDATE limosa_job SET next_look = (julianday('now') - 2440587.5) * 86400.0 WHERE migration = %(migration)s AND state IN ('sending', 'out');

-- name: of_chunk
SELECT tag, job, state, upto, tries, reason, submitted, (julianday('now') - 2440587.5) * 86400.0 - submitted
FROM limosa_job WHERE chunk = %(chunk)s AND state <> 'closed' ORDER BY id;

-- name: out
SELECT count(*), coalesce(sum(texts), 0), max((julianday('now') - 2440587.5) * 86400.0 - submitted), min(next_look - (julianday('now') - 2440587.5) * 86400.0)
FROM limosa_job WHERE migration = %(migration)s AND state IN ('sending', 'out', 'cancelling');

-- name: promised
-- What jobs cost beyond what their chunks have told since they were sent.
SELECT coalesce(sum(max(0.0, j.cost_usd - (c.cost_usd - j.before_usd))), 0.0)
FROM limosa_job AS j JOIN limosa_chunk AS c ON c.id = j.chunk
WHERE j.migration = %(migration)s AND j.state <> 'closed';

-- name: settled
SELECT j.tag, j.job FROM limosa_job AS j JOIN limosa_chunk AS c ON c.id = j.chunk
WHERE j.migration = %(migration)s AND j.state <> 'closed' AND c.state = 'done' ORDER BY j.id;

-- name: left
SELECT tag, job, submitted FROM limosa_job WHERE migration = %(migration)s AND state <> 'closed' ORDER BY id;
