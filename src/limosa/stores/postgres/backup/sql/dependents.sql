-- What a drop of a table would take along, found level by level, and the statements that make it again.

-- name: level
-- Everything that depends on some objects ($1 classes, $2 oids), with the relation that bears it: 0 where none does.
-- Of the table $3 only the column $4 counts, where it is not 0; its own default and NOT NULL are no dependents of it.
SELECT DISTINCT d.refclassid::oid, d.refobjid, d.classid::oid, d.objid,
    CASE d.classid
        WHEN 'pg_rewrite'::regclass THEN (SELECT ev_class FROM pg_rewrite WHERE oid = d.objid)
        WHEN 'pg_constraint'::regclass THEN (SELECT conrelid FROM pg_constraint WHERE oid = d.objid)
        WHEN 'pg_trigger'::regclass THEN (SELECT tgrelid FROM pg_trigger WHERE oid = d.objid)
        WHEN 'pg_policy'::regclass THEN (SELECT polrelid FROM pg_policy WHERE oid = d.objid)
        WHEN 'pg_attrdef'::regclass THEN (SELECT adrelid FROM pg_attrdef WHERE oid = d.objid)
        WHEN 'pg_statistic_ext'::regclass THEN (SELECT stxrelid FROM pg_statistic_ext WHERE oid = d.objid)
        WHEN 'pg_publication_rel'::regclass THEN (SELECT prrelid FROM pg_publication_rel WHERE oid = d.objid)
        WHEN 'pg_type'::regclass THEN (SELECT coalesce(nullif(t.typrelid, 0), e.typrelid) FROM pg_type AS t
            LEFT JOIN pg_type AS e ON e.oid = t.typelem WHERE t.oid = d.objid)
        WHEN 'pg_class'::regclass THEN CASE
            WHEN d.objsubid > 0 THEN 0::oid
            WHEN c.relkind IN ('i', 'I') THEN (SELECT indrelid FROM pg_index WHERE indexrelid = d.objid)
            WHEN c.relkind IN ('S', 't') AND d.deptype IN ('a', 'i') THEN d.refobjid
            ELSE d.objid END
        ELSE 0::oid END,
    CASE d.classid
        WHEN 'pg_class'::regclass THEN CASE WHEN d.objsubid > 0 THEN 'column' ELSE CASE c.relkind WHEN 'v' THEN 'view'
            WHEN 'm' THEN 'materialized view' WHEN 'i' THEN 'index' ELSE 'object' END END
        WHEN 'pg_rewrite'::regclass THEN CASE (SELECT v.relkind FROM pg_rewrite AS r JOIN pg_class AS v
                ON v.oid = r.ev_class WHERE r.oid = d.objid AND r.rulename = '_RETURN')
            WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' ELSE 'rule' END
        WHEN 'pg_constraint'::regclass THEN CASE (SELECT contype FROM pg_constraint WHERE oid = d.objid)
            WHEN 'f' THEN 'foreign key' ELSE 'constraint' END
        WHEN 'pg_trigger'::regclass THEN 'trigger'
        WHEN 'pg_policy'::regclass THEN 'policy'
        WHEN 'pg_statistic_ext'::regclass THEN 'statistics'
        WHEN 'pg_attrdef'::regclass THEN 'default'
        WHEN 'pg_proc'::regclass THEN CASE (SELECT prokind FROM pg_proc WHERE oid = d.objid)
            WHEN 'f' THEN 'function' WHEN 'p' THEN 'function' ELSE 'object' END
        ELSE 'object' END,
    pg_describe_object(d.classid, d.objid, CASE WHEN d.classid = 'pg_class'::regclass THEN d.objsubid ELSE 0 END)
FROM unnest($1::oid[], $2::oid[]) AS known(class, oid)
JOIN pg_depend AS d ON d.refclassid = known.class AND d.refobjid = known.oid AND d.deptype IN ('n', 'a', 'i')
LEFT JOIN pg_class AS c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
WHERE $4::int = 0 OR d.refclassid <> 'pg_class'::regclass OR d.refobjid <> $3::oid OR d.refobjsubid = $4
  AND NOT EXISTS (SELECT FROM pg_attrdef AS x WHERE d.classid = 'pg_attrdef'::regclass AND x.oid = d.objid
      AND x.adrelid = $3 AND x.adnum = $4)
  AND NOT EXISTS (SELECT FROM pg_constraint AS x WHERE d.classid = 'pg_constraint'::regclass AND x.oid = d.objid
      AND x.contype = 'n');

-- name: policy_comment
SELECT format('COMMENT ON POLICY %I ON %s IS %L', p.polname, p.polrelid::regclass, d.description)
FROM pg_policy AS p JOIN pg_description AS d ON d.classoid = 'pg_policy'::regclass AND d.objoid = p.oid WHERE p.oid = $1;

-- name: constraint
SELECT format('ALTER TABLE %s ADD CONSTRAINT %I %s', c.conrelid::regclass, c.conname, pg_get_constraintdef(c.oid))
FROM pg_constraint AS c WHERE c.oid = $1
UNION ALL
SELECT format('COMMENT ON CONSTRAINT %I ON %s IS %L', c.conname, c.conrelid::regclass, d.description)
FROM pg_constraint AS c JOIN pg_description AS d ON d.classoid = 'pg_constraint'::regclass AND d.objoid = c.oid
WHERE c.oid = $1;

-- name: trigger
SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE oid = $1 AND NOT tgisinternal;

-- name: rule
SELECT rtrim(pg_get_ruledef($1), ';');

-- name: index
SELECT pg_get_indexdef($1);

-- name: default
SELECT format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT %s', x.adrelid::regclass, a.attname,
    pg_get_expr(x.adbin, x.adrelid))
FROM pg_attrdef AS x JOIN pg_attribute AS a ON a.attrelid = x.adrelid AND a.attnum = x.adnum
WHERE x.oid = $1 AND a.attgenerated = '';

-- name: view
SELECT format('CREATE %s %s%s AS %s%s', CASE c.relkind WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'VIEW' END,
    c.oid::regclass, $2::text, rtrim(pg_get_viewdef(c.oid), ';'), CASE c.relkind WHEN 'm' THEN ' WITH NO DATA' ELSE '' END)
FROM pg_class AS c WHERE c.oid = $1;

-- name: view_defaults
SELECT format('ALTER VIEW %s ALTER COLUMN %I SET DEFAULT %s', $1::regclass, a.attname, pg_get_expr(x.adbin, x.adrelid))
FROM pg_attrdef AS x JOIN pg_attribute AS a ON a.attrelid = x.adrelid AND a.attnum = x.adnum
WHERE x.adrelid = $1 ORDER BY a.attnum;

-- name: refresh
SELECT format('REFRESH MATERIALIZED VIEW %s', oid::regclass) FROM pg_class WHERE oid = $1 AND relkind = 'm' AND relispopulated;

-- name: function
SELECT pg_get_functiondef(p.oid) FROM pg_proc AS p WHERE p.oid = $1 AND p.prokind IN ('f', 'p')
UNION ALL
SELECT format('ALTER ROUTINE %s OWNER TO %I', $1::regprocedure, pg_get_userbyid(proowner)) FROM pg_proc WHERE oid = $1
UNION ALL
SELECT format('REVOKE ALL ON ROUTINE %s FROM PUBLIC', $1::regprocedure)
UNION ALL
SELECT format('GRANT EXECUTE ON ROUTINE %s TO %s%s', $1::regprocedure,
    CASE WHEN e.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(e.grantee)) END,
    CASE WHEN e.is_grantable AND e.grantee <> p.proowner THEN ' WITH GRANT OPTION' ELSE '' END)
FROM pg_proc AS p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS e WHERE p.oid = $1
UNION ALL
SELECT format('COMMENT ON ROUTINE %s IS %L', $1::regprocedure, description) FROM pg_description
WHERE classoid = 'pg_proc'::regclass AND objoid = $1;
