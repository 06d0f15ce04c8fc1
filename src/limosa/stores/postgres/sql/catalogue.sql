-- name: relation
SELECT c.oid, n.nspname, c.relname, c.relkind, c.relpersistence, c.relispartition, c.reltuples,
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
    a.attgenerated <> '', a.atthasdef, a.attstorage::text, coalesce(a.attoptions::text[], '{}')
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
SELECT c.relname, am.amname, pg_get_indexdef(i.indexrelid), i.indisvalid, pg_relation_size(i.indexrelid),
    i.indisunique, ARRAY(SELECT a.attname::text FROM unnest(i.indkey::int2[]) AS k(attnum)
        JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum)
FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_am AS am ON am.oid = c.relam
WHERE i.indrelid = %(oid)s ORDER BY c.relname;

-- name: triggers
SELECT t.tgname, pg_get_triggerdef(t.oid), t.tgenabled::text, t.tgtype::int, p.proname
FROM pg_trigger AS t JOIN pg_proc AS p ON p.oid = t.tgfoid
WHERE t.tgrelid = %(oid)s AND NOT t.tgisinternal ORDER BY t.tgname;

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
WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = %(oid)s AND d.refobjsubid = %(attnum)s
  AND d.classid <> 'pg_class'::regclass
  AND NOT (d.classid = 'pg_attrdef'::regclass AND EXISTS (
      SELECT FROM pg_attrdef AS x WHERE x.oid = d.objid AND x.adnum = %(attnum)s))
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
SELECT p.pubname, NOT EXISTS (
    SELECT FROM pg_publication_rel AS r WHERE r.prpubid = p.oid AND r.prrelid = %(oid)s AND r.prattrs IS NOT NULL)
FROM pg_publication AS p
WHERE p.puballtables OR EXISTS (SELECT FROM pg_publication_rel AS r WHERE r.prpubid = p.oid AND r.prrelid = %(oid)s)
   OR EXISTS (SELECT FROM pg_publication_namespace AS s JOIN pg_class AS c ON c.relnamespace = s.pnnspid
       WHERE s.pnpubid = p.oid AND c.oid = %(oid)s);

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
SELECT pg_relation_size(%(oid)s), pg_indexes_size(%(oid)s), pg_total_relation_size(%(oid)s),
    coalesce((SELECT pg_total_relation_size(reltoastrelid) FROM pg_class WHERE oid = %(oid)s AND reltoastrelid <> 0), 0);

-- name: functions
SELECT p.oid::regprocedure::text, pg_get_function_arguments(p.oid), pg_get_function_result(p.oid),
    CASE WHEN p.prokind IN ('f', 'p') THEN pg_get_functiondef(p.oid) ELSE '' END,
    pg_get_function_identity_arguments(p.oid), p.prokind::text, pg_has_role(p.proowner, 'USAGE')
FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
WHERE p.proname = %(name)s AND (n.nspname = %(schema)s OR %(schema)s::text IS NULL AND pg_function_is_visible(p.oid));

-- name: inbound
SELECT conname FROM pg_constraint WHERE confrelid = %(oid)s AND contype = 'f';

-- name: type_oids
SELECT t.oid, t.typarray FROM pg_type AS t JOIN pg_namespace AS n ON n.oid = t.typnamespace
WHERE t.typname = %(type)s AND n.nspname = %(schema)s;

-- name: table_grants
SELECT CASE WHEN a.grantee <> 0 THEN pg_get_userbyid(a.grantee) END, a.privilege_type, NULL
FROM pg_class AS c, aclexplode(c.relacl) AS a WHERE c.oid = %(oid)s AND a.grantee <> c.relowner
UNION ALL
SELECT CASE WHEN a.grantee <> 0 THEN pg_get_userbyid(a.grantee) END, a.privilege_type, t.attname
FROM pg_class AS c JOIN pg_attribute AS t ON t.attrelid = c.oid AND NOT t.attisdropped, aclexplode(t.attacl) AS a
WHERE c.oid = %(oid)s AND a.grantee <> c.relowner
ORDER BY 3 NULLS FIRST, 1, 2;
