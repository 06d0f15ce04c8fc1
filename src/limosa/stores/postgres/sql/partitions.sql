-- name: partitions
-- One that is being detached concurrently takes no row any more through the table. The vector index of the table itself
-- stands on each partition as an index of another name.
SELECT n.nspname, c.relname, c.relkind::text, c.relpersistence::text, greatest(c.reltuples, 0)::bigint,
    coalesce(c.reloptions::text[], '{}'), pg_get_userbyid(c.relowner), pg_has_role(c.relowner, 'USAGE'),
    has_schema_privilege(n.oid, 'CREATE'), pg_get_expr(c.relpartbound, c.oid) = 'DEFAULT',
    ARRAY(SELECT a.attname::text FROM pg_attribute AS a JOIN pg_attribute AS p ON p.attrelid = h.inhparent
        AND p.attname = a.attname AND NOT p.attnotnull
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND a.attnotnull ORDER BY a.attnum),
    ARRAY(SELECT ARRAY[whole.relname::text, part.relname::text] FROM pg_index AS i JOIN pg_inherits AS k
        ON k.inhrelid = i.indexrelid JOIN pg_class AS part ON part.oid = k.inhrelid
        JOIN pg_class AS whole ON whole.oid = k.inhparent WHERE i.indrelid = c.oid ORDER BY 1),
    ARRAY(SELECT ARRAY[a.attname::text, k.conname::text] FROM pg_constraint AS k
        JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
        WHERE k.conrelid = c.oid AND k.contype = 'n' AND NOT EXISTS (SELECT FROM pg_constraint AS w
            WHERE w.conrelid = h.inhparent AND w.contype = 'n' AND w.conname = k.conname) ORDER BY 1)
FROM pg_inherits AS h JOIN pg_class AS c ON c.oid = h.inhrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE h.inhparent = %(oid)s AND NOT h.inhdetachpending AND c.relispartition ORDER BY n.nspname, c.relname;

-- name: unwatched
-- Partitions that are not armed as they are attached now: without the trigger that tells of a TRUNCATE, or with the one
-- from before they were detached. Its argument says to which attachment it belongs: ATTACH makes a row, DETACH deletes it.
SELECT n.nspname, c.relname, h.xmin::text, t.oid IS NOT NULL
FROM pg_inherits AS h JOIN pg_class AS c ON c.oid = h.inhrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_trigger AS t ON t.tgrelid = c.oid AND t.tgname = %(trigger)s
WHERE h.inhparent = %(oid)s AND NOT h.inhdetachpending AND c.relispartition
  AND t.tgargs IS DISTINCT FROM convert_to(h.xmin::text, 'UTF8') || decode('00', 'hex')
ORDER BY n.nspname, c.relname;

-- name: unarmed
-- Triggers that are missing or not ENABLE ALWAYS, on the table and on every partition.
SELECT w.name, n.nspname, c.relname FROM unnest(%(names)s::text[]) AS w(name)
CROSS JOIN (SELECT %(oid)s::oid UNION ALL SELECT inhrelid FROM pg_inherits
    WHERE inhparent = %(oid)s AND NOT inhdetachpending) AS o(oid)
JOIN pg_class AS c ON c.oid = o.oid JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE NOT EXISTS (SELECT FROM pg_trigger AS t
    WHERE t.tgrelid = c.oid AND t.tgname = w.name AND t.tgenabled = 'A')
ORDER BY n.nspname, c.relname, w.name;

-- name: unindexed
-- Partitions without a valid index of their own under the table's.
SELECT n.nspname, c.relname FROM pg_inherits AS h JOIN pg_class AS c ON c.oid = h.inhrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE h.inhparent = %(oid)s AND NOT h.inhdetachpending AND c.relispartition
  AND to_regclass(%(index)s) IS NOT NULL
  AND NOT EXISTS (SELECT FROM pg_inherits AS k JOIN pg_index AS i ON i.indexrelid = k.inhrelid
    WHERE k.inhparent = to_regclass(%(index)s) AND i.indrelid = c.oid AND i.indisvalid)
ORDER BY n.nspname, c.relname;

-- name: parts_of_index
SELECT c.relname FROM pg_partition_tree(to_regclass(%(index)s)) AS p JOIN pg_class AS c ON c.oid = p.relid
WHERE p.isleaf AND p.level > 0;
