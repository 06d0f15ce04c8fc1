-- name: relation
-- A partitioned table has no rows of its own; its partitions have.
SELECT c.oid, n.nspname, c.relname, c.relkind, c.relpersistence, c.relispartition,
    CASE WHEN c.relkind = 'p' THEN (SELECT coalesce(sum(greatest(p.reltuples, 0)), 0)
        FROM pg_partition_tree(c.oid) AS b JOIN pg_class AS p ON p.oid = b.relid WHERE b.isleaf) ELSE c.reltuples END,
    c.relrowsecurity, c.relforcerowsecurity, pg_get_userbyid(c.relowner), c.relhassubclass,
    pg_has_role(c.relowner, 'USAGE'), c.reloptions::text[]
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relname = %(name)s
  AND (n.nspname = %(schema)s OR %(schema)s::text IS NULL AND pg_table_is_visible(c.oid))
  AND c.relkind IN ('r', 'p', 'v', 'm', 'f');

-- name: nearest
SELECT n.nspname || '.' || c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'limosa')
  AND n.nspname NOT LIKE 'pg\_toast%%' AND n.nspname NOT LIKE 'pg\_temp%%';

-- name: columns
SELECT a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.atttypmod, t.typname, a.attnotnull,
    a.attgenerated <> '', a.atthasdef, a.attstorage::text, coalesce(a.attoptions::text[], '{}'),
    a.attcompression::text, (SELECT k.conname::text FROM pg_constraint AS k
        WHERE k.conrelid = a.attrelid AND k.contype = 'n' AND k.conkey = ARRAY[a.attnum]),
    CASE WHEN a.attgenerated = '' THEN '{}' ELSE ARRAY(SELECT m.attname::text FROM pg_attrdef AS x
        JOIN pg_depend AS d ON d.classid = 'pg_attrdef'::regclass AND d.objid = x.oid AND d.refobjid = a.attrelid
        JOIN pg_attribute AS m ON m.attrelid = a.attrelid AND m.attnum = d.refobjsubid
        WHERE x.adrelid = a.attrelid AND x.adnum = a.attnum AND m.attnum <> a.attnum ORDER BY m.attnum) END
FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
WHERE a.attrelid = %(oid)s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum;

-- name: unique_keys
SELECT i.indexrelid::regclass::text, ARRAY(
    SELECT a.attname::text FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, ord)
    JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
    WHERE k.ord <= i.indnkeyatts ORDER BY k.ord)
FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_am AS am ON am.oid = c.relam
WHERE i.indrelid = %(oid)s AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL
  AND i.indexprs IS NULL AND am.amname = 'btree';

-- name: indexes
-- Of partitions only those that are not a part of an index of the table.
SELECT c.relname, am.amname, array_remove(ARRAY[
        (SELECT 'SET LOCAL default_tablespace = ' || quote_literal(s.spcname) FROM pg_tablespace AS s
            WHERE s.oid = c.reltablespace),
        pg_get_indexdef(i.indexrelid),
        CASE WHEN c.reltablespace <> 0 THEN 'SET LOCAL default_tablespace = DEFAULT' END,
        'COMMENT ON INDEX ' || quote_ident(n.nspname) || '.' || quote_ident(c.relname) || ' IS '
            || quote_literal(obj_description(c.oid, 'pg_class'))], NULL), i.indisvalid, pg_relation_size(i.indexrelid)
        + coalesce((SELECT sum(pg_relation_size(b.relid)) FROM pg_partition_tree(i.indexrelid) AS b
            WHERE b.relid <> i.indexrelid), 0)::bigint,
    i.indisunique, ARRAY(SELECT a.attname::text FROM unnest(i.indkey::int2[]) AS k(attnum)
        JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum)
FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_am AS am ON am.oid = c.relam
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE i.indrelid = %(oid)s OR NOT c.relispartition
  AND i.indrelid IN (SELECT relid FROM pg_partition_tree(%(oid)s::oid::regclass))
ORDER BY c.relname;

-- name: triggers
SELECT t.tgname, pg_get_triggerdef(t.oid), t.tgenabled::text, t.tgtype::int, p.proname
FROM pg_trigger AS t JOIN pg_proc AS p ON p.oid = t.tgfoid
WHERE NOT t.tgisinternal AND t.tgparentid = 0
  AND (t.tgrelid = %(oid)s OR t.tgrelid IN (SELECT relid FROM pg_partition_tree(%(oid)s::oid::regclass)))
ORDER BY t.tgname;

-- name: dependents
-- What names the vector column: views and matviews (by their rules), generated columns and defaults,
-- policies, constraints, statistics, rules, SQL-standard function bodies, publications with a column list.
SELECT DISTINCT CASE d.classid
        WHEN 'pg_rewrite'::regclass THEN CASE v.relkind WHEN 'm' THEN 'materialized view' WHEN 'v' THEN 'view' ELSE 'rule on' END
        WHEN 'pg_attrdef'::regclass THEN 'generated column'
        WHEN 'pg_policy'::regclass THEN 'policy'
        WHEN 'pg_constraint'::regclass THEN 'constraint'
        WHEN 'pg_statistic_ext'::regclass THEN 'statistics'
        WHEN 'pg_trigger'::regclass THEN 'trigger'
        WHEN 'pg_proc'::regclass THEN 'function'
        WHEN 'pg_publication_rel'::regclass THEN 'publication'
        ELSE 'object' END AS kind,
    CASE d.classid
        WHEN 'pg_rewrite'::regclass THEN n.nspname || '.' || v.relname
        WHEN 'pg_proc'::regclass THEN d.objid::regprocedure::text
        WHEN 'pg_attrdef'::regclass THEN (SELECT y.attname FROM pg_attrdef AS x JOIN pg_attribute AS y
            ON y.attrelid = x.adrelid AND y.attnum = x.adnum WHERE x.oid = d.objid)
        WHEN 'pg_constraint'::regclass THEN (SELECT x.conname FROM pg_constraint AS x WHERE x.oid = d.objid)
        WHEN 'pg_policy'::regclass THEN (SELECT x.polname FROM pg_policy AS x WHERE x.oid = d.objid)
        WHEN 'pg_trigger'::regclass THEN (SELECT x.tgname FROM pg_trigger AS x WHERE x.oid = d.objid)
        ELSE pg_describe_object(d.classid, d.objid, 0) END AS name,
    n.nspname
FROM pg_depend AS d
LEFT JOIN pg_rewrite AS r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
LEFT JOIN pg_class AS v ON v.oid = r.ev_class
LEFT JOIN pg_namespace AS n ON n.oid = v.relnamespace
-- In a partition the column may have another number.
WHERE d.refclassid = 'pg_class'::regclass AND (d.refobjid, d.refobjsubid) IN (
    SELECT b.attrelid, b.attnum FROM pg_attribute AS a JOIN pg_attribute AS b ON b.attname = a.attname
    WHERE a.attrelid = %(oid)s AND a.attnum = %(attnum)s
      AND (b.attrelid = a.attrelid OR b.attrelid IN (SELECT relid FROM pg_partition_tree(%(oid)s::oid::regclass))))
  AND d.classid <> 'pg_class'::regclass
  AND NOT (d.classid = 'pg_attrdef'::regclass AND EXISTS (
      SELECT FROM pg_attrdef AS x WHERE x.oid = d.objid AND x.adrelid = d.refobjid AND x.adnum = d.refobjsubid))
  -- From Postgres 18 on NOT NULL is a constraint of its own; it is lifted and restored.
  AND NOT (d.classid = 'pg_constraint'::regclass AND EXISTS (
      SELECT FROM pg_constraint AS x WHERE x.oid = d.objid AND x.contype = 'n'));

-- name: bodies
-- Function bodies are text: no dependency is recorded, so the table, and the column or its size, are looked for as words.
SELECT p.oid::regprocedure::text, n.nspname, p.prosrc
FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace JOIN pg_language AS l ON l.oid = p.prolang
WHERE l.lanname NOT IN ('c', 'internal') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'limosa')
  AND (p.prosrc ~* %(column)s OR p.prosrc ~* %(size)s) AND p.prosrc ~* %(table)s
ORDER BY 1;

-- name: publications
-- And whether it has all columns of the table, or of one of its partitions.
SELECT p.pubname, p.puballtables OR s.member OR coalesce(r.whole, false)
FROM pg_publication AS p
CROSS JOIN LATERAL (SELECT ARRAY(SELECT %(oid)s::oid UNION
    SELECT relid FROM pg_partition_tree(%(oid)s::oid::regclass)) AS oids) AS t
CROSS JOIN LATERAL (SELECT bool_or(r.prattrs IS NULL) AS whole FROM pg_publication_rel AS r
    WHERE r.prpubid = p.oid AND r.prrelid = ANY (t.oids)) AS r
CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM pg_publication_namespace AS n JOIN pg_class AS c
    ON c.relnamespace = n.pnnspid WHERE n.pnpubid = p.oid AND c.oid = ANY (t.oids)) AS member) AS s
WHERE p.puballtables OR s.member OR r.whole IS NOT NULL;

-- name: server
SELECT current_setting('server_version_num')::int, current_user,
    (SELECT extversion FROM pg_extension WHERE extname = 'vector'),
    (SELECT n.nspname FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace WHERE e.extname = 'vector'),
    has_database_privilege(current_database(), 'CREATE'),
    has_parameter_privilege('session_replication_role', 'SET'),
    has_parameter_privilege('deadlock_timeout', 'SET'),
    (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user),
    pg_is_in_recovery(), current_setting('maintenance_work_mem'), current_setting('max_parallel_maintenance_workers')::int,
    current_database();

-- name: sizes
SELECT sum(pg_relation_size(c.oid))::bigint, sum(pg_indexes_size(c.oid))::bigint,
    sum(pg_total_relation_size(c.oid))::bigint,
    sum(CASE WHEN c.reltoastrelid <> 0 THEN pg_total_relation_size(c.reltoastrelid) ELSE 0 END)::bigint
FROM pg_class AS c
WHERE c.oid = %(oid)s OR c.oid IN (SELECT relid FROM pg_partition_tree(%(oid)s::oid::regclass));

-- name: functions
SELECT p.oid::regprocedure::text, pg_get_function_arguments(p.oid), pg_get_function_result(p.oid),
    CASE WHEN p.prokind IN ('f', 'p') THEN pg_get_functiondef(p.oid) ELSE '' END,
    pg_get_function_identity_arguments(p.oid), p.prokind::text, pg_has_role(p.proowner, 'USAGE')
FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
WHERE p.proname = %(name)s AND (n.nspname = %(schema)s OR %(schema)s::text IS NULL AND pg_function_is_visible(p.oid));

-- name: inbound
SELECT conname FROM pg_constraint WHERE confrelid = %(oid)s AND contype = 'f';

-- name: table_grants
SELECT CASE WHEN a.grantee <> 0 THEN pg_get_userbyid(a.grantee) END, a.privilege_type, NULL
FROM pg_class AS c, aclexplode(c.relacl) AS a WHERE c.oid = %(oid)s AND a.grantee <> c.relowner
UNION ALL
SELECT CASE WHEN a.grantee <> 0 THEN pg_get_userbyid(a.grantee) END, a.privilege_type, t.attname
FROM pg_class AS c JOIN pg_attribute AS t ON t.attrelid = c.oid AND NOT t.attisdropped, aclexplode(t.attacl) AS a
WHERE c.oid = %(oid)s AND a.grantee <> c.relowner
ORDER BY 3 NULLS FIRST, 1, 2;
