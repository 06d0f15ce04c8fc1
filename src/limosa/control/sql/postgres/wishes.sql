-- name: read
SELECT name, value, changed FROM limosa.wish WHERE migration = %(migration)s;

-- name: wish
-- A pause goes on since it began, whatever reason is given later.
INSERT INTO limosa.wish AS w (migration, name, value) VALUES (%(migration)s, %(name)s, %(value)s)
ON CONFLICT (migration, name) DO UPDATE SET value = excluded.value,
    changed = CASE WHEN w.name = 'pause' THEN w.changed ELSE excluded.changed END;

-- name: unwish
DELETE FROM limosa.wish WHERE migration = %(migration)s AND name = %(name)s RETURNING 1;
