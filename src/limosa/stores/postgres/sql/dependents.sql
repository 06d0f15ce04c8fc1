-- What hangs on a column: the names that it holds, and what it is now. The session's search_path is empty meanwhile.

-- name: names
-- The names that a view, or statistics of their own ($1), hold in its schema: its own first, then those of its indexes and
-- statistics.
SELECT CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'INDEX' END, n.nspname, c.relname,
    pg_get_userbyid(c.relowner), pg_has_role(c.relowner, 'USAGE'), c.oid = $1 AS itself
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.oid = $1 OR c.oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = $1 AND indisvalid)
UNION ALL
SELECT 'STATISTICS', n.nspname, s.stxname, pg_get_userbyid(s.stxowner), pg_has_role(s.stxowner, 'USAGE'), s.oid = $1
FROM pg_statistic_ext AS s JOIN pg_namespace AS n ON n.oid = s.stxnamespace WHERE s.stxrelid = $1 OR s.oid = $1
ORDER BY itself DESC, 1, 3;

-- name: place
-- A policy or a function: how DROP names it, its owner, whether the catalogue knows what it reads, and its name in parts.
-- A function of a view's row type is bound to that view.
SELECT format('POLICY %I ON %s', p.polname, p.polrelid::regclass), pg_get_userbyid(c.relowner),
    pg_has_role(c.relowner, 'USAGE'), true, p.polrelid::regclass::text, p.polname::text
FROM pg_policy AS p JOIN pg_class AS c ON c.oid = p.polrelid WHERE p.oid = $1 AND $2 = 'policy'
UNION ALL
SELECT format('ROUTINE %s', p.oid::regprocedure), pg_get_userbyid(p.proowner), pg_has_role(p.proowner, 'USAGE'),
    p.prosqlbody IS NOT NULL AND NOT EXISTS (SELECT FROM unnest(p.proargtypes || p.proallargtypes || p.prorettype) AS a(type)
        JOIN pg_type AS t ON t.oid = a.type LEFT JOIN pg_type AS e ON e.oid = t.typelem
        JOIN pg_class AS c ON c.oid = coalesce(nullif(t.typrelid, 0), e.typrelid) WHERE c.relkind IN ('v', 'm')),
    p.oid::regprocedure::text, ''
FROM pg_proc AS p WHERE p.oid = $1 AND $2 = 'function';

-- name: view
-- What a view ($1) is now: query, options, owner, rights, indexes and triggers; all that its twin is made with.
SELECT md5(concat_ws(E'\n', pg_get_viewdef(c.oid), c.reloptions::text, c.relowner::text,
    (SELECT string_agg(e::text, ',' ORDER BY e::text)
        FROM aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) AS e),
    (SELECT string_agg(a.attname || e::text, ',' ORDER BY a.attname || e::text)
        FROM pg_attribute AS a, aclexplode(a.attacl) AS e WHERE a.attrelid = c.oid),
    (SELECT string_agg(pg_get_indexdef(i.indexrelid), ',' ORDER BY pg_get_indexdef(i.indexrelid))
        FROM pg_index AS i WHERE i.indrelid = c.oid),
    (SELECT string_agg(pg_get_triggerdef(t.oid) || t.tgenabled::text, ',' ORDER BY t.tgname)
        FROM pg_trigger AS t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal)))
FROM pg_class AS c WHERE c.oid = to_regclass($1::text);

-- name: policy
SELECT md5(concat_ws(E'\n', polcmd, polpermissive, polroles::text, pg_get_expr(polqual, polrelid),
    pg_get_expr(polwithcheck, polrelid)))
FROM pg_policy WHERE polrelid = to_regclass($1::text) AND polname = $2::text;

-- name: function
SELECT md5(pg_get_functiondef(to_regprocedure($1::text)));

-- name: column_rest
-- What people gave to a column ($1 table, $2 number), for one of the name $3.
SELECT format('GRANT %s (%I) ON TABLE %s TO %s%s', e.privilege_type, $3::text, $1::regclass,
    CASE WHEN e.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(e.grantee)) END,
    CASE WHEN e.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
FROM pg_attribute AS a, aclexplode(a.attacl) AS e WHERE a.attrelid = $1 AND a.attnum = $2
UNION ALL
SELECT format('COMMENT ON COLUMN %s.%I IS %L', $1::regclass, $3, col_description($1, $2))
WHERE col_description($1, $2) IS NOT NULL;
