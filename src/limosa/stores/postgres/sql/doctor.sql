-- name: columns
-- What this role may read, and which kind of column it is; other kinds tell nothing of a vector.
SELECT a.attname, CASE WHEN t.typcategory = 'S' OR t.typtype = 'e' THEN 'word' WHEN t.typcategory = 'B' THEN 'flag'
    WHEN t.typname IN ('timestamp', 'timestamptz') THEN t.typname::text ELSE '' END,
    has_column_privilege(a.attrelid, a.attnum, 'SELECT')
FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
WHERE a.attrelid = %(oid)s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum;

-- name: indexes
-- Every index of the table and of its partitions; of a vector index also the type that it holds, which is not the
-- column's where it stands on an expression. The length of a vector is its type's modifier.
-- To a role without pg_read_all_stats the server tells of the builds of others only that there are some in a database.
SELECT n.nspname, c.relname, rn.nspname, r.relname, wn.nspname, w.relname, am.amname,
    i.indisvalid AND i.indisready, i.indpred IS NOT NULL,
    EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
        AND d.refclassid = 'pg_class'::regclass AND d.refobjid = i.indrelid AND d.refobjsubid = a.attnum),
    o.opcname, t.typname, held.atttypmod, coalesce(c.reloptions::text[], '{}'), pg_relation_size(i.indexrelid),
    coalesce(s.idx_scan, 0), r.reltuples::float8,
    EXISTS (SELECT FROM pg_stat_progress_create_index AS p WHERE p.datname = current_database()
        AND (p.index_relid = i.indexrelid OR p.index_relid IS NULL))
FROM pg_index AS i
JOIN pg_class AS c ON c.oid = i.indexrelid AND c.relkind = 'i'
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_am AS am ON am.oid = c.relam
JOIN pg_class AS r ON r.oid = i.indrelid
JOIN pg_namespace AS rn ON rn.oid = r.relnamespace
LEFT JOIN pg_class AS w ON w.oid = pg_partition_root(i.indexrelid)
LEFT JOIN pg_namespace AS wn ON wn.oid = w.relnamespace
JOIN pg_opclass AS o ON o.oid = i.indclass[0]
JOIN pg_attribute AS held ON held.attrelid = i.indexrelid AND held.attnum = 1
JOIN pg_type AS t ON t.oid = held.atttypid
LEFT JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attname = %(column)s AND NOT a.attisdropped
LEFT JOIN pg_stat_all_indexes AS s ON s.indexrelid = i.indexrelid
WHERE i.indrelid = %(oid)s OR i.indrelid IN (SELECT relid FROM pg_partition_tree(%(oid)s::oid::regclass))
ORDER BY n.nspname, c.relname;

-- name: parts
-- The partitions that hold rows, each with its rows; -1 where they were never counted.
SELECT n.nspname, c.relname, CASE WHEN pg_relation_size(c.oid) = 0 THEN 0 ELSE c.reltuples::float8 END
FROM pg_partition_tree(%(oid)s::oid::regclass) AS p JOIN pg_class AS c ON c.oid = p.relid AND c.relkind = 'r'
JOIN pg_namespace AS n ON n.oid = c.relnamespace
ORDER BY n.nspname, c.relname;

-- name: statistics
-- A table that was never vacuumed or analysed has -1 rows by the catalogue.
SELECT c.reltuples::float8, coalesce(s.n_mod_since_analyze, 0),
    greatest(s.last_analyze, s.last_autoanalyze)::timestamp(0)::text,
    extract(epoch FROM now() - coalesce(d.stats_reset, pg_postmaster_start_time()))::float8,
    coalesce(d.stats_reset, pg_postmaster_start_time())::timestamp(0)::text
FROM pg_class AS c LEFT JOIN pg_stat_all_tables AS s ON s.relid = c.oid
LEFT JOIN pg_stat_database AS d ON d.datname = current_database()
WHERE c.oid = %(oid)s;

-- name: iterative_scans
-- Where the setting stands: this session's, a database's or role's, a function's. The extension makes it known to a
-- session only when it is loaded.
SELECT 'this session', current_setting('hnsw.iterative_scan', true)
UNION ALL
SELECT coalesce('role ' || r.rolname, 'database ' || d.datname, 'all'), split_part(c.setting, '=', 2)
FROM pg_db_role_setting AS s CROSS JOIN LATERAL unnest(s.setconfig) AS c(setting)
LEFT JOIN pg_roles AS r ON r.oid = s.setrole LEFT JOIN pg_database AS d ON d.oid = s.setdatabase
WHERE split_part(c.setting, '=', 1) = 'hnsw.iterative_scan'
  AND (s.setdatabase = 0 OR d.datname = current_database())
UNION ALL
SELECT 'function ' || p.oid::regprocedure::text, split_part(c.setting, '=', 2)
FROM pg_proc AS p CROSS JOIN LATERAL unnest(p.proconfig) AS c(setting)
WHERE split_part(c.setting, '=', 1) = 'hnsw.iterative_scan'
ORDER BY 1;

-- name: bodies
-- Functions whose body names the table and the column as words, with the sizes of vectors that stand in it. What cuts
-- a vector to a part of it names another size on purpose.
SELECT p.oid::regprocedure::text, p.prosrc ~* '\msubvector\M',
    ARRAY(SELECT DISTINCT f[1]::int FROM regexp_matches(p.prosrc, '\m(?:vector|halfvec)\"?\s*\(\s*(\d{1,5})\s*\)', 'gi') AS f
        ORDER BY 1),
    coalesce(array_to_string(p.proconfig, ' '), '') || p.prosrc ~* 'hnsw\.iterative_scan'
FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace JOIN pg_language AS l ON l.oid = p.prolang
WHERE l.lanname NOT IN ('c', 'internal') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'limosa')
  AND p.prosrc ~* %(column)s AND p.prosrc ~* %(table)s
ORDER BY 1;

-- name: hidden_ledger
SELECT EXISTS (SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = 'limosa' AND c.relname = 'migration'
  AND NOT (has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')));
