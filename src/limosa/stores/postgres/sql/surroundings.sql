-- name: keys
-- A domain is followed down to the type it stands on.
SELECT a.attname, format_type(a.atttypid, a.atttypmod), b.base, a.attnotnull OR b.not_null,
    coalesce(c.collisdeterministic, true), coalesce(c.collname, '')
FROM pg_attribute AS a
CROSS JOIN LATERAL (
    WITH RECURSIVE down AS (
        SELECT t.typname, t.typbasetype, t.typnotnull FROM pg_type AS t WHERE t.oid = a.atttypid
        UNION ALL
        SELECT t.typname, t.typbasetype, t.typnotnull FROM down JOIN pg_type AS t ON t.oid = down.typbasetype)
    SELECT max(typname::text) FILTER (WHERE typbasetype = 0) AS base, bool_or(typnotnull) AS not_null FROM down) AS b
LEFT JOIN pg_collation AS c ON c.oid = a.attcollation
WHERE a.attrelid = %(oid)s AND a.attname = ANY(%(names)s) AND NOT a.attisdropped;

-- name: inheritance
SELECT 'parent', inhparent::regclass::text FROM pg_inherits WHERE inhrelid = %(oid)s
UNION ALL SELECT 'child', inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %(oid)s;

-- name: grants
SELECT has_table_privilege(%(oid)s::oid, 'SELECT'), has_table_privilege(%(oid)s::oid, 'UPDATE'),
    has_schema_privilege(%(schema)s, 'USAGE'), has_schema_privilege(%(schema)s, 'CREATE'),
    has_schema_privilege(%(extension)s, 'USAGE'), to_regnamespace('limosa') IS NOT NULL,
    coalesce((SELECT pg_has_role(nspowner, 'USAGE') FROM pg_namespace WHERE nspname = 'limosa'), true),
    coalesce((SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'limosa'), '');

-- name: taken
SELECT CASE c.relkind WHEN 'i' THEN 'index' WHEN 'v' THEN 'view' ELSE 'relation' END, n.nspname, c.relname
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE (n.nspname, c.relname) IN (SELECT * FROM unnest(%(schemas)s::text[], %(names)s::text[]))
UNION ALL
SELECT 'statistics', n.nspname, s.stxname
FROM pg_statistic_ext AS s JOIN pg_namespace AS n ON n.oid = s.stxnamespace
WHERE (n.nspname, s.stxname) IN (SELECT * FROM unnest(%(schemas)s::text[], %(names)s::text[]));

-- name: columns_touched
-- Indexes that name the vector column in a predicate, an expression or beside other columns go with it when it is dropped.
SELECT DISTINCT c.relname, i.indisunique, i.indisexclusion, am.amname
FROM pg_depend AS d JOIN pg_index AS i ON i.indexrelid = d.objid JOIN pg_class AS c ON c.oid = i.indexrelid
JOIN pg_am AS am ON am.oid = c.relam
WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = %(oid)s
  AND d.refobjsubid = %(attnum)s ORDER BY c.relname;

-- name: trigger_bodies
SELECT t.tgname, p.oid::regprocedure::text
FROM pg_trigger AS t JOIN pg_proc AS p ON p.oid = t.tgfoid JOIN pg_namespace AS n ON n.oid = p.pronamespace
WHERE NOT t.tgisinternal AND t.tgparentid = 0 AND n.nspname <> 'limosa' AND p.prosrc ~* %(column)s
  AND (t.tgrelid = %(oid)s OR t.tgrelid IN (SELECT relid FROM pg_partition_tree(%(oid)s::oid::regclass)))
ORDER BY t.tgname;

-- name: readers
SELECT p.oid::regprocedure::text, n.nspname, p.proname, v.name
FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace JOIN unnest(%(views)s::text[]) AS v(name)
    ON position(v.name IN p.prosrc) > 0
WHERE n.nspname <> 'limosa';

-- name: routines
SELECT n.nspname, p.oid::regprocedure::text, p.prokind::text, p.proretset, p.prosecdef, p.pronargdefaults,
    pg_get_function_arguments(p.oid), coalesce(pg_get_function_result(p.oid), ''),
    ARRAY(SELECT format_type(t.oid, NULL) FROM unnest(p.proargtypes::oid[]) WITH ORDINALITY AS t(oid, place) ORDER BY place),
    coalesce(p.proargnames, '{}'),
    ARRAY(SELECT format_type(t.oid, NULL) FROM unnest(p.proallargtypes) WITH ORDINALITY AS t(oid, place)
        WHERE p.proargmodes[t.place] IN ('t', 'o') ORDER BY place),
    pg_has_role(p.proowner, 'USAGE'), pg_get_userbyid(p.proowner)
FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
WHERE p.proname = %(name)s AND (n.nspname = %(schema)s OR %(schema)s::text IS NULL AND pg_function_is_visible(p.oid))
ORDER BY 1, 2;

-- name: bare_types
-- Types without their modifiers: those are never part of a signature.
SELECT a.attname, format_type(a.atttypid, NULL) FROM pg_attribute AS a
WHERE a.attrelid = %(oid)s AND a.attnum > 0 AND NOT a.attisdropped;

-- name: vector_type
SELECT format_type(t.oid, NULL) FROM pg_type AS t JOIN pg_namespace AS n ON n.oid = t.typnamespace
WHERE t.typname = 'vector' AND n.nspname = %(schema)s;

-- name: replication
SELECT (SELECT count(*) FROM pg_replication_slots), (SELECT count(*) FROM pg_stat_replication),
    (SELECT count(*) FROM pg_stat_replication WHERE state IS NULL),
    pg_size_bytes(current_setting('max_slot_wal_keep_size')), pg_size_bytes(current_setting('maintenance_work_mem')),
    pg_size_bytes(current_setting('effective_cache_size'));

-- name: ledger
SELECT to_regclass('limosa.migration') IS NOT NULL;

-- name: stage
SELECT name, active, step, epoch FROM limosa.migration WHERE id = %(id)s;

-- name: finished
SELECT id FROM limosa.migration WHERE step = 'finish' AND NOT active;
