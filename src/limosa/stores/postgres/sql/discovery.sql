-- name: limits
-- The catalogue answers in milliseconds unless it is huge; samples have a limit of their own.
SELECT set_config('statement_timeout', %(statement)s, true), set_config('lock_timeout', %(lock)s, true);

-- name: around
SELECT current_database(), (SELECT extversion FROM pg_extension WHERE extname = 'vector'), pg_is_in_recovery(),
    count(*), coalesce(array_agg(DISTINCT n.nspname::text), '{}')
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'limosa') AND n.nspname !~ '^pg_(toast|temp)'
  AND NOT EXISTS (SELECT FROM pg_depend AS d
      WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e');

-- name: vectors
-- Every column of pgvector's types, domains over them, and arrays of numbers; the columns that limosa itself adds to a
-- table go by their endings, where a ledger is in the database.
SELECT c.oid, n.nspname, c.relname, c.relkind::text, greatest(c.reltuples, 0)::bigint, a.attnum, a.attname,
    format_type(a.atttypid, a.atttypmod), a.atttypmod, a.attgenerated <> '',
    CASE WHEN t.typtype = 'd' THEN 'domain' WHEN t.typcategory = 'A' THEN 'array' ELSE t.typname::text END,
    has_table_privilege(c.oid, 'SELECT') AND has_schema_privilege(n.oid, 'USAGE'),
    coalesce(col_description(c.oid, a.attnum), ''), coalesce(obj_description(c.oid, 'pg_class'), '')
FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_type AS t ON t.oid = a.atttypid LEFT JOIN pg_type AS e ON e.oid = t.typelem AND t.typcategory = 'A'
LEFT JOIN pg_type AS b ON b.oid = t.typbasetype
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition AND a.attnum > 0 AND NOT a.attisdropped
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'limosa') AND n.nspname !~ '^pg_(toast|temp)'
  AND NOT EXISTS (SELECT FROM pg_depend AS d
      WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
  AND (t.typname IN ('vector', 'halfvec', 'sparsevec') OR b.typname IN ('vector', 'halfvec', 'sparsevec')
       OR e.typname IN ('float4', 'float8', 'numeric'))
  AND NOT (a.attname ~ '_limosa(_old)?$' AND to_regnamespace('limosa') IS NOT NULL)
ORDER BY c.reltuples DESC, n.nspname, c.relname, a.attnum;

-- name: unique_keys
SELECT i.indisprimary, ARRAY(
    SELECT a.attname::text FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, ord)
    JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
    WHERE k.ord <= i.indnkeyatts ORDER BY k.ord)
FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_am AS am ON am.oid = c.relam
WHERE i.indrelid = %(oid)s AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL
  AND i.indexprs IS NULL AND am.amname = 'btree'
ORDER BY i.indisprimary DESC, i.indnkeyatts, c.relname;

-- name: columns
-- Columns that a text can be made of, by the type that a domain stands on.
SELECT a.attname, format_type(a.atttypid, a.atttypmod), coalesce(b.typname, t.typname), a.atttypmod
FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid LEFT JOIN pg_type AS b ON b.oid = t.typbasetype
WHERE a.attrelid = %(oid)s AND a.attnum > 0 AND NOT a.attisdropped
  AND coalesce(b.typname, t.typname) IN ('text', 'varchar', 'bpchar', 'citext')
ORDER BY a.attnum;

-- name: vector_indexes
-- By the dependency, so that an index over a cast of the column is found too; the best one first.
SELECT c.relname, am.amname, o.opcname, coalesce(c.reloptions::text[], '{}')
FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_am AS am ON am.oid = c.relam
JOIN pg_opclass AS o ON o.oid = i.indclass[0]
WHERE i.indrelid = %(oid)s AND i.indisvalid AND i.indnkeyatts = 1 AND am.amname NOT IN ('btree', 'hash', 'gin', 'brin')
  AND EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
      AND d.refclassid = 'pg_class'::regclass AND d.refobjid = %(oid)s AND d.refobjsubid = %(attnum)s)
ORDER BY i.indpred IS NOT NULL, am.amname <> 'hnsw', c.relname;

-- name: statistics
SELECT s.attname, s.null_frac::float8,
    CASE WHEN s.attname = ANY(%(models)s) THEN coalesce(s.most_common_vals::text::text[], '{}') ELSE '{}' END,
    CASE WHEN s.attname = ANY(%(models)s) THEN coalesce(s.most_common_freqs::float8[], '{}') ELSE '{}' END
FROM pg_stats AS s WHERE s.schemaname = %(schema)s AND s.tablename = %(table)s AND NOT s.inherited;

-- name: ledger
-- By the catalogue: to_regclass fails where the role may not use the schema.
SELECT has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = 'limosa' AND c.relname = 'migration';

-- name: under_way
SELECT place, name FROM limosa.migration WHERE active;

-- name: functions
-- Bodies of SQL-standard functions are no text in the catalogue, and are printed.
SELECT n.nspname, p.proname, coalesce(pg_get_function_sqlbody(p.oid), p.prosrc)
FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace JOIN pg_language AS l ON l.oid = p.prolang
JOIN pg_type AS t ON t.oid = p.proargtypes[0]
WHERE l.lanname NOT IN ('c', 'internal') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'limosa')
  AND t.typname IN ('vector', 'halfvec') AND coalesce(pg_get_function_sqlbody(p.oid), p.prosrc) ~* %(table)s
ORDER BY n.nspname, p.proname;
