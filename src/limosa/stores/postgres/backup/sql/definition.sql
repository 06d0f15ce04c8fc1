-- Statements that make a table, a view or a function as the catalogue has it; $1 is its oid. The session's
-- search_path is empty meanwhile, so that every name comes qualified.

-- name: sequences
SELECT format('CREATE SEQUENCE %s AS %s INCREMENT BY %s MINVALUE %s MAXVALUE %s START WITH %s CACHE %s%s',
    s.seqrelid::regclass, format_type(s.seqtypid, NULL), s.seqincrement, s.seqmin, s.seqmax, s.seqstart, s.seqcache,
    CASE WHEN s.seqcycle THEN ' CYCLE' ELSE '' END)
FROM pg_depend AS d JOIN pg_sequence AS s ON s.seqrelid = d.objid
WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $1
  AND d.deptype = 'a' ORDER BY 1;

-- name: columns
SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attgenerated <> '',
    format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod))
    || CASE WHEN a.attcollation <> t.typcollation THEN format(' COLLATE %s', a.attcollation::regcollation) ELSE '' END
    || CASE a.attgenerated WHEN 's' THEN format(' GENERATED ALWAYS AS (%s) STORED', pg_get_expr(x.adbin, x.adrelid))
        WHEN 'v' THEN format(' GENERATED ALWAYS AS (%s) VIRTUAL', pg_get_expr(x.adbin, x.adrelid)) ELSE '' END,
    CASE WHEN a.attidentity <> '' THEN (
            SELECT format(' GENERATED %s AS IDENTITY (SEQUENCE NAME %s INCREMENT BY %s MINVALUE %s MAXVALUE %s'
                    ' START WITH %s CACHE %s%s)', CASE a.attidentity WHEN 'a' THEN 'ALWAYS' ELSE 'BY DEFAULT' END,
                s.seqrelid::regclass, s.seqincrement, s.seqmin, s.seqmax, s.seqstart, s.seqcache,
                CASE WHEN s.seqcycle THEN ' CYCLE' ELSE '' END)
            FROM pg_depend AS d JOIN pg_sequence AS s ON s.seqrelid = d.objid
            WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
              AND d.refobjid = $1 AND d.refobjsubid = a.attnum AND d.deptype = 'i')
        WHEN a.attgenerated = '' AND x.adbin IS NOT NULL THEN ' DEFAULT ' || pg_get_expr(x.adbin, x.adrelid)
        ELSE '' END
    || CASE WHEN a.attnotnull AND NOT EXISTS (
        SELECT FROM pg_constraint AS c WHERE c.conrelid = $1 AND c.contype = 'n' AND a.attnum = ANY (c.conkey))
        THEN ' NOT NULL' ELSE '' END
FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef AS x ON x.adrelid = a.attrelid AND x.adnum = a.attnum
WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum;

-- name: not_null
-- From Postgres 18 on NOT NULL is a constraint with a name of its own.
SELECT format('CONSTRAINT %I %s', conname, pg_get_constraintdef(oid)) FROM pg_constraint
WHERE conrelid = $1 AND contype = 'n' AND convalidated ORDER BY conname;

-- name: options
-- What follows the columns of CREATE TABLE, and what stands before AS in CREATE VIEW.
SELECT CASE WHEN m.amname IS NULL THEN '' ELSE format(' USING %I', m.amname) END
    || coalesce((SELECT ' WITH (' || string_agg(o, ', ') || ')' FROM (
        SELECT format('%I=%L', split_part(each, '=', 1), substr(each, strpos(each, '=') + 1))
        FROM unnest(c.reloptions) AS each UNION ALL
        SELECT format('toast.%I=%L', split_part(each, '=', 1), substr(each, strpos(each, '=') + 1))
        FROM pg_class AS s, unnest(s.reloptions) AS each WHERE s.oid = c.reltoastrelid) AS f(o)), '')
    || coalesce((SELECT format(' TABLESPACE %I', spcname) FROM pg_tablespace AS s WHERE s.oid = c.reltablespace), '')
FROM pg_class AS c LEFT JOIN pg_am AS m ON m.oid = c.relam WHERE c.oid = $1;

-- name: attributes
-- Of every column, or, where $2 is not 0, of that one under the name $3.
SELECT format('ALTER TABLE %s ALTER COLUMN %I SET %s', $1::regclass, CASE WHEN $2::int = 0 THEN a.attname ELSE $3::text END,
    v.what)
FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid CROSS JOIN LATERAL (VALUES
    (1, CASE WHEN a.attstorage <> t.typstorage THEN 'STORAGE ' || CASE a.attstorage WHEN 'p' THEN 'PLAIN'
        WHEN 'e' THEN 'EXTERNAL' WHEN 'x' THEN 'EXTENDED' ELSE 'MAIN' END END),
    (2, CASE a.attcompression WHEN 'p' THEN 'COMPRESSION pglz' WHEN 'l' THEN 'COMPRESSION lz4' END),
    (3, CASE WHEN a.attstattarget >= 0 THEN format('STATISTICS %s', a.attstattarget) END),
    (4, (SELECT '(' || string_agg(format('%I=%L', split_part(each, '=', 1), split_part(each, '=', 2)), ', ') || ')'
        FROM unnest(a.attoptions) AS each))) AS v(position, what)
WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped AND v.what IS NOT NULL AND ($2 = 0 OR a.attnum = $2)
ORDER BY a.attnum, v.position;

-- name: owner
SELECT format('ALTER %s %s OWNER TO %I', CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW'
    ELSE 'TABLE' END, oid::regclass, pg_get_userbyid(relowner)) FROM pg_class WHERE oid = $1;

-- name: owned
SELECT format('ALTER SEQUENCE %s OWNED BY %s.%I', d.objid::regclass, $1::regclass, a.attname)
FROM pg_depend AS d JOIN pg_sequence AS s ON s.seqrelid = d.objid
JOIN pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $1
  AND d.deptype = 'a' ORDER BY 1;

-- name: states
-- The sequences whose state belongs to the table: those of identity columns too.
SELECT d.objid::regclass::text FROM pg_depend AS d JOIN pg_sequence AS s ON s.seqrelid = d.objid
WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $1
  AND d.deptype IN ('a', 'i') ORDER BY 1;

-- name: keys
-- By their index, whose options the constraint alone does not tell.
SELECT each.statement FROM pg_constraint AS c JOIN pg_class AS i ON i.oid = c.conindid
CROSS JOIN LATERAL (VALUES (1, pg_get_indexdef(i.oid)), (2, format('ALTER TABLE %s ADD CONSTRAINT %I %s USING INDEX %I%s',
    $1::regclass, c.conname, CASE c.contype WHEN 'p' THEN 'PRIMARY KEY' ELSE 'UNIQUE' END, i.relname,
    CASE WHEN c.condeferrable THEN ' DEFERRABLE' ELSE '' END
    || CASE WHEN c.condeferred THEN ' INITIALLY DEFERRED' ELSE '' END))) AS each(position, statement)
WHERE c.conrelid = $1 AND c.contype IN ('p', 'u') AND coalesce(to_jsonb(c) ->> 'conperiod', 'false') = 'false'
ORDER BY c.contype, c.conname, each.position;

-- name: constraints
SELECT format('ALTER TABLE %s ADD CONSTRAINT %I %s', $1::regclass, conname, pg_get_constraintdef(oid))
FROM pg_constraint AS c WHERE conrelid = $1 AND conislocal AND (contype IN ('c', 'x') OR contype = 'n' AND NOT convalidated
    OR contype IN ('p', 'u') AND to_jsonb(c) ->> 'conperiod' = 'true') ORDER BY conname;

-- name: indexes
SELECT pg_get_indexdef(i.indexrelid) FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
WHERE i.indrelid = $1 AND i.indisvalid AND NOT EXISTS (
    SELECT FROM pg_constraint AS k WHERE k.conindid = i.indexrelid AND k.conrelid = i.indrelid AND k.contype IN ('p', 'u', 'x'))
ORDER BY c.relname;

-- name: foreign_keys
SELECT format('ALTER TABLE %s ADD CONSTRAINT %I %s', $1::regclass, conname, pg_get_constraintdef(oid))
FROM pg_constraint WHERE conrelid = $1 AND contype = 'f' ORDER BY conname;

-- name: index_settings
SELECT format('ALTER INDEX %s ALTER COLUMN %s SET STATISTICS %s', i.indexrelid::regclass, a.attnum, a.attstattarget)
FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = i.indexrelid
WHERE i.indrelid = $1 AND i.indisvalid AND a.attstattarget >= 0
UNION ALL
SELECT format('ALTER TABLE %s CLUSTER ON %I', $1::regclass, c.relname)
FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid WHERE i.indrelid = $1 AND i.indisclustered
UNION ALL
SELECT format('ALTER TABLE %s REPLICA IDENTITY %s', $1::regclass, CASE t.relreplident WHEN 'n' THEN 'NOTHING'
    WHEN 'f' THEN 'FULL' ELSE (SELECT format('USING INDEX %I', c.relname) FROM pg_index AS i
        JOIN pg_class AS c ON c.oid = i.indexrelid WHERE i.indrelid = $1 AND i.indisreplident) END)
FROM pg_class AS t WHERE t.oid = $1 AND t.relkind <> 'v' AND t.relreplident IN ('n', 'f', 'i');

-- name: rules
SELECT each.statement FROM pg_rewrite AS r CROSS JOIN LATERAL (VALUES (1, rtrim(pg_get_ruledef(r.oid), ';')),
    (2, CASE r.ev_enabled WHEN 'O' THEN NULL ELSE format('ALTER TABLE %s %s RULE %I', $1::regclass, CASE r.ev_enabled
        WHEN 'D' THEN 'DISABLE' WHEN 'A' THEN 'ENABLE ALWAYS' ELSE 'ENABLE REPLICA' END, r.rulename) END))
    AS each(position, statement)
WHERE r.ev_class = $1 AND r.rulename <> '_RETURN' AND each.statement IS NOT NULL ORDER BY r.rulename, each.position;

-- name: triggers
SELECT each.statement FROM pg_trigger AS t CROSS JOIN LATERAL (VALUES (1, pg_get_triggerdef(t.oid)),
    (2, CASE t.tgenabled WHEN 'O' THEN NULL ELSE format('ALTER TABLE %s %s TRIGGER %I', $1::regclass, CASE t.tgenabled
        WHEN 'D' THEN 'DISABLE' WHEN 'A' THEN 'ENABLE ALWAYS' ELSE 'ENABLE REPLICA' END, t.tgname) END))
    AS each(position, statement)
WHERE t.tgrelid = $1 AND NOT t.tgisinternal AND each.statement IS NOT NULL ORDER BY t.tgname, each.position;

-- name: policies
SELECT format('CREATE POLICY %I ON %s AS %s FOR %s TO %s%s%s', p.polname, p.polrelid::regclass,
    CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
    CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE'
        ELSE 'ALL' END,
    (SELECT string_agg(CASE WHEN role = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(role)) END, ', ')
        FROM unnest(p.polroles) AS role),
    coalesce(format(' USING (%s)', pg_get_expr(p.polqual, p.polrelid)), ''),
    CASE WHEN p.polwithcheck IS NULL THEN '' ELSE format(' WITH CHECK (%s)', pg_get_expr(p.polwithcheck, p.polrelid)) END)
FROM pg_policy AS p WHERE p.polrelid = $1 OR p.oid = $2 ORDER BY p.polname;

-- name: security
SELECT format('ALTER TABLE %s %s ROW LEVEL SECURITY', $1::regclass, each.what) FROM pg_class AS c
CROSS JOIN LATERAL (VALUES (c.relrowsecurity, 'ENABLE'), (c.relforcerowsecurity, 'FORCE')) AS each(wanted, what)
WHERE c.oid = $1 AND each.wanted;

-- name: grants
-- First what default privileges gave, then every grant in the order in which the catalogue keeps them.
WITH relations AS (
    SELECT c.oid, c.relkind, c.relowner, c.relacl FROM pg_class AS c WHERE c.oid = $1 OR c.oid IN (
        SELECT d.objid FROM pg_depend AS d JOIN pg_sequence AS s ON s.seqrelid = d.objid
        WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $1
          AND d.deptype IN ('a', 'i'))
), granted AS (
    SELECT r.oid, r.relkind, r.relowner, 0::int2 AS attnum, '' AS attname, e.*
    FROM relations AS r, aclexplode(coalesce(r.relacl, acldefault(CASE r.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char",
        r.relowner))) WITH ORDINALITY AS e(grantor, grantee, privilege, grantable, position)
    UNION ALL
    SELECT r.oid, r.relkind, r.relowner, a.attnum, format(' (%I)', a.attname), e.*
    FROM relations AS r JOIN pg_attribute AS a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped,
        aclexplode(a.attacl) WITH ORDINALITY AS e(grantor, grantee, privilege, grantable, position)
), listed AS (
    SELECT oid, attnum, min(position) AS position, grantor, relowner, format('GRANT %s ON %s %s TO %s%s',
        string_agg(privilege || attname, ', ' ORDER BY position), CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END,
        oid::regclass, CASE WHEN grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
        CASE WHEN grantable THEN ' WITH GRANT OPTION' ELSE '' END) AS statement
    FROM granted GROUP BY oid, relkind, attnum, relowner, grantor, grantee, grantable
)
SELECT each.statement FROM (
    SELECT r.oid, -1::int2 AS attnum, 0::bigint AS position, format('DO $limosa$ DECLARE each record; BEGIN'
        ' FOR each IN SELECT DISTINCT e.grantee FROM pg_catalog.pg_class AS c, pg_catalog.aclexplode(c.relacl) AS e'
        ' WHERE c.oid = %L::regclass LOOP EXECUTE format(''REVOKE ALL ON %%s FROM %%s'', %L, CASE each.grantee WHEN 0'
        ' THEN ''PUBLIC'' ELSE quote_ident(pg_get_userbyid(each.grantee)) END); END LOOP; END $limosa$',
        r.oid::regclass, r.oid::regclass) AS statement FROM relations AS r
    UNION ALL
    SELECT oid, attnum, position, statement FROM listed WHERE grantor = relowner
    UNION ALL
    SELECT l.oid, l.attnum, l.position, each FROM listed AS l, unnest(ARRAY[
        format('SET LOCAL ROLE %I', pg_get_userbyid(l.grantor)), l.statement, 'RESET ROLE']) AS each
    WHERE l.grantor <> l.relowner
) AS each ORDER BY each.oid, each.attnum, each.position;

-- name: comments
SELECT format('COMMENT ON %s IS %L', each.place, d.description) FROM (
    SELECT 'pg_class'::regclass, c.oid, 0, format('%s %s', CASE c.relkind WHEN 'v' THEN 'VIEW'
        WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'i' THEN 'INDEX' WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, c.oid::regclass)
    FROM pg_class AS c WHERE c.oid = $1 OR c.oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = $1)
      OR c.relkind = 'S' AND c.oid IN (SELECT objid FROM pg_depend WHERE refclassid = 'pg_class'::regclass
        AND classid = 'pg_class'::regclass AND refobjid = $1 AND deptype IN ('a', 'i'))
    UNION ALL
    SELECT 'pg_class'::regclass, $1, attnum, format('COLUMN %s.%I', $1::regclass, attname)
    FROM pg_attribute WHERE attrelid = $1 AND NOT attisdropped
    UNION ALL
    SELECT 'pg_constraint'::regclass, oid, 0, format('CONSTRAINT %I ON %s', conname, $1::regclass)
    FROM pg_constraint WHERE conrelid = $1
    UNION ALL
    SELECT 'pg_trigger'::regclass, oid, 0, format('TRIGGER %I ON %s', tgname, $1::regclass)
    FROM pg_trigger WHERE tgrelid = $1
    UNION ALL
    SELECT 'pg_rewrite'::regclass, oid, 0, format('RULE %I ON %s', rulename, $1::regclass)
    FROM pg_rewrite WHERE ev_class = $1
    UNION ALL
    SELECT 'pg_policy'::regclass, oid, 0, format('POLICY %I ON %s', polname, $1::regclass)
    FROM pg_policy WHERE polrelid = $1
) AS each(class, oid, part, place)
JOIN pg_description AS d ON d.classoid = each.class AND d.objoid = each.oid AND d.objsubid = each.part ORDER BY 1;

-- name: statistics
SELECT s.stxname, unnest(array_remove(ARRAY[pg_get_statisticsobjdef(s.oid),
    format('ALTER STATISTICS %I.%I OWNER TO %I', n.nspname, s.stxname, pg_get_userbyid(s.stxowner)),
    CASE WHEN s.stxstattarget >= 0 THEN format('ALTER STATISTICS %I.%I SET STATISTICS %s', n.nspname, s.stxname,
        s.stxstattarget) END,
    (SELECT format('COMMENT ON STATISTICS %I.%I IS %L', n.nspname, s.stxname, description) FROM pg_description
        WHERE classoid = 'pg_statistic_ext'::regclass AND objoid = s.oid)], NULL))
FROM pg_statistic_ext AS s JOIN pg_namespace AS n ON n.oid = s.stxnamespace WHERE s.stxrelid = $1 OR s.oid = $2 ORDER BY s.oid;

-- name: publications
SELECT p.pubname, format('ALTER PUBLICATION %I ADD TABLE ONLY %s%s%s', p.pubname, $1::regclass,
    (SELECT format(' (%s)', string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)) FROM pg_attribute AS a
        WHERE a.attrelid = $1 AND a.attnum = ANY (r.prattrs)),
    CASE WHEN r.prqual IS NULL THEN '' ELSE format(' WHERE (%s)', pg_get_expr(r.prqual, r.prrelid)) END)
FROM pg_publication_rel AS r JOIN pg_publication AS p ON p.oid = r.prpubid WHERE r.prrelid = $1 ORDER BY p.pubname;
