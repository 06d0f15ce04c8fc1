-- name: receivers
-- Positions in the log in bytes, the log's own end last. A logical slot says how far its subscriber is; of a replica
-- that counts what it has replayed. Whatever only takes the log away, as a backup does, replays nothing. A slot that
-- nobody reads from is left out: waiting would not help it.
SELECT 'slot ' || s.slot_name, (s.confirmed_flush_lsn - '0/0')::bigint, 0::float8,
    (pg_current_wal_lsn() - '0/0')::bigint
FROM pg_replication_slots AS s WHERE s.slot_type = 'logical' AND s.active AND s.confirmed_flush_lsn IS NOT NULL
UNION ALL
SELECT 'replica ' || coalesce(nullif(r.application_name, ''), host(r.client_addr), r.pid::text),
    (r.replay_lsn - '0/0')::bigint, coalesce(extract(epoch FROM r.replay_lag), 0)::float8,
    (pg_current_wal_lsn() - '0/0')::bigint
FROM pg_stat_replication AS r WHERE r.replay_lsn IS NOT NULL
  AND NOT EXISTS (SELECT FROM pg_replication_slots AS s WHERE s.active_pid = r.pid AND s.slot_type = 'logical');

-- name: lock_waits
-- A wait for a row is one for a transaction: that the session uses the table shows in its other locks.
WITH locks AS MATERIALIZED (SELECT * FROM pg_locks)
SELECT count(DISTINCT w.pid) FROM locks AS w JOIN pg_stat_activity AS a USING (pid)
WHERE NOT w.granted AND a.application_name <> 'limosa' AND EXISTS (
    SELECT FROM locks AS t WHERE t.pid = w.pid AND (t.relation = %(table)s OR t.relation IN (
          SELECT relid FROM pg_partition_tree(%(table)s::oid::regclass)))
      AND t.database = (SELECT oid FROM pg_database WHERE datname = current_database()));
